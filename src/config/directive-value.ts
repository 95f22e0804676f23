import { ExpectedError } from '../text/expected-error.ts'
import { splitWords } from '../text/quoting.ts'
import { orderEventFlags, showEventFlags } from './event-flags.ts'

/** Limits on the output that a client leaves unread; 0 switches a limit off. */
export interface OutputLimit {
  /** Bytes at which the client is disconnected at once. */
  readonly hard: number
  /** Bytes at which the client is disconnected if it stays above them for `seconds`. */
  readonly soft: number
  readonly seconds: number
}

export const outputClasses = ['normal', 'slave', 'pubsub'] as const
export type OutputClass = (typeof outputClasses)[number]
export type OutputLimits = Readonly<Record<OutputClass, OutputLimit>>

interface Described {
  /** Its heading in conf/ktree.conf and in docs/configuration.md. */
  readonly group: string
  /** Whether CONFIG SET may change it while the server runs. */
  readonly mutable: boolean
  /** CONFIG SET may change it only if `enable-protected-configs` says so. */
  readonly protected?: true
  /** CONFIG SET to the same value counts as a change, because the file that it names may have changed. */
  readonly volatile?: true
  /** Never shown in logs or error messages. */
  readonly secret?: true
  /** `--help` only names it. */
  readonly rare?: true
  /** One line for `--help`, the conf file and the documentation. */
  readonly help: string
  /** More text for the conf file and the documentation; the generators wrap it. */
  readonly comment?: string
}

export interface IntegerDirective extends Described {
  readonly type: 'integer'
  readonly min: number
  readonly max: number
  /** Read and written in octal, like file modes. */
  readonly octal?: true
  readonly default: number
}

export interface MemoryDirective extends Described {
  readonly type: 'memory'
  /** Bytes. */
  readonly min: number
  readonly max: number
  readonly default: number
}

export type Directive =
  | IntegerDirective
  | MemoryDirective
  | (Described & { readonly type: 'boolean'; readonly default: boolean })
  | (Described & {
      readonly type: 'enum'
      readonly values: readonly string[]
      readonly default: string
    })
  | (Described & { readonly type: 'string'; readonly default: string })
  | (Described & { readonly type: 'event-flags'; readonly default: string })
  | (Described & { readonly type: 'list'; readonly default: readonly string[] })
  | (Described & { readonly type: 'output-limits'; readonly default: OutputLimits })

export type Value = number | boolean | string | readonly string[] | OutputLimits

/** The type of a directive's value. */
export type ValueOf<D extends Directive> = D extends { type: 'integer' | 'memory' }
  ? number
  : D extends { type: 'boolean' }
    ? boolean
    : D extends { type: 'enum'; values: readonly (infer V)[] }
      ? V
      : D extends { type: 'string' | 'event-flags' }
        ? string
        : D extends { type: 'list' }
          ? readonly string[]
          : OutputLimits

/** A value that a directive refuses; the message is Redis's. */
export class ValueError extends ExpectedError {
  override name = 'ValueError'
}

/** Bytes by unit. A map, because a client's word may be the name of a property of every object. */
const units: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['k', 1000],
  ['kb', 1024],
  ['m', 1000 ** 2],
  ['mb', 1024 ** 2],
  ['g', 1000 ** 3],
  ['gb', 1024 ** 3],
])

const binaryUnits = [...units].filter(([unit]) => /^.b$/.test(unit)).reverse()

/**
 * Parses an amount of memory as in redis.conf: `1k` is 1000 bytes, `1kb` is 1024. A unit without
 * digits is 0, as in Redis.
 * @returns bytes; undefined if `text` is not an amount of memory
 */
export function parseMemory(text: string): number | undefined {
  const match = /^(\d*)([a-z]*)$/i.exec(text)
  const unit = match && units.get(match[2].toLowerCase())
  return unit ? Number(match[1]) * unit : undefined
}

/** Formats bytes in the largest binary unit that is exact, as CONFIG REWRITE does. */
export function formatMemory(bytes: number): string {
  for (const [unit, size] of binaryUnits) {
    if (bytes > 0 && bytes % size === 0) return `${bytes / size}${unit}`
  }
  return String(bytes)
}

function parseInteger(directive: IntegerDirective, text: string): number {
  if (directive.octal) {
    if (!/^[0-7]{1,12}$/.test(text)) {
      throw new ValueError("argument couldn't be parsed as an octal number")
    }
    return Number.parseInt(text, 8)
  }
  // Redis calls a number of more than 64 bits not an integer, rather than out of range.
  if (!/^(0|-?[1-9]\d{0,18})$/.test(text) || BigInt.asIntN(64, BigInt(text)) !== BigInt(text)) {
    throw new ValueError("argument couldn't be parsed into an integer")
  }
  return Number(text)
}

function checkRange(directive: IntegerDirective | MemoryDirective, value: number): number {
  const { min, max } = directive
  if (value >= min && value <= max) return value
  const radix = directive.type === 'integer' && directive.octal ? 8 : 10
  throw new ValueError(
    `argument must be between ${min.toString(radix)} and ${max.toString(radix)} inclusive`,
  )
}

function outputClass(text: string): OutputClass {
  const name = text.toLowerCase()
  const found = outputClasses.find((each) => each === name)
  if (found) return found
  if (name === 'replica') return 'slave'
  throw new ValueError('Invalid client class specified in buffer limit configuration.')
}

function parseOutputLimits(args: readonly string[], current: OutputLimits): OutputLimits {
  if (args.length % 4 !== 0) {
    throw new ValueError('Wrong number of arguments in buffer limit configuration.')
  }
  const limits = { ...current }
  for (let at = 0; at < args.length; at += 4) {
    const name = outputClass(args[at])
    const hard = parseMemory(args[at + 1]) ?? Number.NaN
    const soft = parseMemory(args[at + 2]) ?? Number.NaN
    const seconds = /^\d+$/.test(args[at + 3]) ? Number(args[at + 3]) : Number.NaN
    if (![hard, soft, seconds].every(Number.isSafeInteger)) {
      throw new ValueError(
        'Error in hard, soft or soft_seconds setting in buffer limit configuration.',
      )
    }
    limits[name] = { hard, soft, seconds }
  }
  return limits
}

/** Whether a directive takes several arguments. CONFIG SET then splits its one argument. */
export function takesSeveral(directive: Directive): boolean {
  return directive.type === 'list' || directive.type === 'output-limits'
}

function severalArguments(args: readonly string[]): readonly string[] {
  if (args.length !== 1) return args
  if (args[0] === '') return []
  const split = splitWords(args[0])
  if (!split) throw new ValueError('Unbalanced quotes in configuration line')
  return split
}

/**
 * Parses the arguments of a directive. Classes of output limits that are not named keep their
 * `current` values.
 * @throws ValueError with Redis's text
 */
export function parseValue(directive: Directive, args: readonly string[], current: Value): Value {
  if (args.length === 0 || (args.length > 1 && !takesSeveral(directive))) {
    throw new ValueError('wrong number of arguments')
  }
  // Some of Redis's parsers read a C string, which ends at a NUL byte.
  const [text] = args
  const [untilNul] = text.split('\0', 1)
  switch (directive.type) {
    case 'integer':
      return checkRange(directive, parseInteger(directive, text))
    case 'memory': {
      const bytes = parseMemory(untilNul)
      if (bytes === undefined) throw new ValueError('argument must be a memory value')
      return checkRange(directive, bytes)
    }
    case 'boolean': {
      const word = text.toLowerCase()
      if (word !== 'yes' && word !== 'no') throw new ValueError("argument must be 'yes' or 'no'")
      return word === 'yes'
    }
    case 'enum': {
      const word = text.toLowerCase()
      const found = directive.values.find((value) => value.toLowerCase() === word)
      if (found !== undefined) return found
      const values = directive.values.join(', ')
      throw new ValueError(`argument(s) must be one of the following: ${values}`)
    }
    case 'string':
      return text
    case 'event-flags': {
      const flags = orderEventFlags(untilNul)
      if (flags === undefined) {
        throw new ValueError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
      }
      return flags
    }
    case 'list':
      return severalArguments(args)
    case 'output-limits':
      return parseOutputLimits(severalArguments(args), current as OutputLimits)
  }
}

/** Formats a value for CONFIG GET: memory in bytes, a list joined by spaces. */
export function formatValue(directive: Directive, value: Value): string {
  switch (directive.type) {
    case 'integer':
      return (value as number).toString(directive.octal ? 8 : 10)
    case 'boolean':
      return value ? 'yes' : 'no'
    case 'list':
      return (value as readonly string[]).join(' ')
    case 'output-limits':
      return outputClasses
        .map((name) => {
          const { hard, soft, seconds } = (value as OutputLimits)[name]
          return `${name} ${hard} ${soft} ${seconds}`
        })
        .join(' ')
    case 'event-flags':
      return showEventFlags(value as string)
    default:
      return String(value)
  }
}

/** Whether two values of one directive are the same. */
export function sameValue(directive: Directive, a: Value, b: Value): boolean {
  // CONFIG GET does not show all flags.
  if (directive.type === 'event-flags') return a === b
  return formatValue(directive, a) === formatValue(directive, b)
}
