import type { Argument } from '../../src/request/arguments/argument.ts'
import type { Command } from '../../src/request/command.ts'
import type { Case } from './attack.ts'
import { type Request, repeated, type Word, words } from './request.ts'

// The largest requests that can be made of a command's declaration: the longest of each argument, the
// most of those that may be repeated, each option as often as fits, too many arguments, and many
// requests in a transaction.

const MB = 1024 ** 2
const LONGEST = 60 * MB
/** Just below the longest path. */
const LONG_PATH = 65_000
const LEVELS = 1000
const DEEP = '/d'.repeat(LEVELS)
const MANY = 500_000
const TRANSACTION = 10_000

/** Words that mean something to a command, in place of those that its types suggest. */
const USUAL: Readonly<Record<string, string>> = {
  'hello protover': '3',
  'wait numreplicas': '0',
  'select index': '0',
  'swapdb index1': '0',
  'swapdb index2': '0',
  'config get parameter': 'max*',
  'config set parameter': 'slowlog-max-len',
  'config set value': '128',
  'kwatch channel': '/k',
  'kunwatch channel': '/k',
  'kget path': '/k',
  'command getkeys command': 'mget',
  'command getkeysandflags command': 'mget',
  'command info command-name': 'get',
  'command docs command-name': 'get',
  'client list client-id': '1',
  'latency histogram command': 'get',
}

/** Commands that wait, or make all others wait, for as long as they are told to. */
const WAITS = new Set(['wait', 'kwait', 'ksync', 'client pause'])
/** What a usual request needs, so that it does not wait for ever. */
const SUFFIX: Readonly<Record<string, readonly string[]>> = {
  kwait: ['TIMEOUT', '1'],
  ksync: ['TIMEOUT', '1'],
}
/** Commands whose usual request ends the server, the connection or its replies. */
export const ONLY_WRONG = new Set(['shutdown', 'quit', 'client reply', 'monitor'])

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

export interface Leaf {
  readonly arg: Argument
  /** From the outermost group to the argument itself. */
  readonly way: readonly Argument[]
}

export function leavesOf(args: readonly Argument[], above: readonly Argument[] = []): Leaf[] {
  return args.flatMap((arg) => {
    const way = [...above, arg]
    return arg.args === undefined ? [{ arg, way }] : leavesOf(arg.args, way)
  })
}

/** A word that is to stand for an argument, if not the usual one. */
export type Fill = (arg: Argument) => string | undefined

export class Shape {
  readonly name: string
  readonly #words: readonly string[]
  readonly #args: readonly Argument[]
  readonly #fill: Fill

  constructor(name: string, args: readonly Argument[], fill: Fill = () => undefined) {
    this.name = name
    this.#words = name.split(' ')
    this.#args = args
    this.#fill = fill
  }

  /** The shortest right request; with a leaf one that holds this argument, with this value. */
  request(leaf?: Leaf, value?: Word): Word[] {
    const suffix = (leaf?.arg.optional === true ? undefined : SUFFIX[this.name]) ?? []
    return [...this.#words, ...this.expand(this.#args, leaf, value), ...suffix]
  }

  expand(args: readonly Argument[], leaf?: Leaf, value?: Word): Word[] {
    return args.flatMap((arg) => {
      const wanted = leaf?.way.includes(arg) === true
      return arg.optional === true && !wanted ? [] : this.one(arg, leaf, value)
    })
  }

  /** One argument with its token, once. */
  one(arg: Argument, leaf?: Leaf, value?: Word): Word[] {
    const token = arg.token === undefined ? [] : [arg.token]
    if (arg.type === 'pure-token') return token
    if (arg.type === 'block') return [...token, ...this.expand(arg.args ?? [], leaf, value)]
    if (arg.type === 'oneof') {
      const members = arg.args ?? []
      const chosen = members.find((member) => leaf?.way.includes(member)) ?? members[0]
      return [...token, ...this.one(chosen, leaf, value)]
    }
    return [...token, leaf?.arg === arg && value !== undefined ? value : this.usual(arg)]
  }

  usual(arg: Argument): string {
    const { name, type } = arg
    const known = this.#fill(arg) ?? USUAL[`${this.name} ${name}`]
    if (known !== undefined) return known
    switch (type) {
      case 'integer':
      case 'double':
        return '1'
      case 'unix-time':
        return '4102444800'
      case 'pattern':
        return '*'
      default:
        return name.includes('channel') ? 'c' : type === 'key' ? 'k' : 'v'
    }
  }
}

/** The longest values of an argument, and what they are called. */
function* longest(shape: Shape, { name, type }: Argument): Generator<[what: string, value: Word]> {
  switch (type) {
    case 'integer':
    case 'unix-time':
      yield ['60 MB of digits', repeated('7', LONGEST)]
      if (!WAITS.has(shape.name)) yield ['2^63-1', '9223372036854775807']
      return
    case 'double':
      yield ['60 MB of digits', repeated('7', LONGEST)]
      yield ['0. and 60 MB of digits', Buffer.concat([Buffer.from('0.'), repeated('7', LONGEST)])]
      yield ['1e4900', '1e4900']
      return
    case 'pattern':
      yield ['60 MB of `*a`', repeated('*a', LONGEST)]
      yield ['60 MB of `[`', repeated('[', LONGEST)]
      return
    case 'key':
      yield ['60 MB', repeated('k', LONGEST)]
      yield ['65 000 bytes', repeated('k', LONG_PATH)]
      yield ['1 000 levels', DEEP]
      return
    default:
      yield ['60 MB of \\x01', repeated('\x01', LONGEST)]
      if (name === 'channel') {
        yield ['60 MB, of the tree', Buffer.concat([Buffer.from('/'), repeated('k', LONGEST)])]
        yield ['60 MB of tree options', Buffer.concat([Buffer.from('/k?'), repeated('&', LONGEST)])]
      }
  }
}

/** The arguments that may be repeated, wherever they stand. */
function multiplesOf(args: readonly Argument[], above: readonly Argument[] = []): Leaf[] {
  return args.flatMap((arg) => {
    const way = [...above, arg]
    const inner = arg.type === 'block' ? [] : multiplesOf(arg.args ?? [], way)
    return arg.multiple === true ? [{ arg, way }, ...inner] : inner
  })
}

/** Requests in which an argument is given as often as it can be. */
function* most(shape: Shape, multiple: Leaf): Generator<[what: string, request: () => Request]> {
  const { arg } = multiple
  // The token, if there is one, comes only once.
  const { token: _, ...again } = arg
  const [{ arg: inner, way }] = leavesOf([again])
  const each = shape.one(again).length
  const head = shape.request(multiple)
  const before = head.slice(0, head.length - each)
  const filled = (count: number, value?: (i: number) => Word) => (): Request => {
    const more = numbers(count).flatMap((i) => shape.one(again, { arg: inner, way }, value?.(i)))
    return [...before, ...more]
  }
  const count = Math.floor(MANY / each)
  yield [`${count} × ${arg.name}, all the same`, filled(count)]
  const prefix = shape.name.startsWith('k') ? '/' : ''
  if (inner.type === 'integer') {
    yield [`${count} × ${arg.name}`, filled(count, (i) => String(i + 1000))]
  } else {
    yield [`${count} × ${arg.name}`, filled(count, (i) => `${prefix}n${i}`)]
  }
  if (inner.type === 'key' || inner.name === 'channel') {
    yield [`20000 × ${arg.name} of 1 000 levels`, filled(20_000, (i) => `/${i}${DEEP}`)]
    const long = repeated('k', LONG_PATH - 10).toString('latin1')
    yield [`600 × ${arg.name} of 65 000 bytes`, filled(600, (i) => `${prefix}${i}${long}`)]
  }
  // Alternatives that may be repeated: each of them.
  for (const member of arg.type === 'oneof' ? (arg.args ?? []) : []) {
    const one = shape.one(member)
    const times = Math.floor(MANY / one.length)
    yield [`${times} × ${one.join(' ')}`, () => [...before, ...numbers(times).flatMap(() => one)]]
  }
}

function* ofCommand(command: Command, name: string): Generator<Case> {
  const args = command.args ?? []
  const shape = new Shape(name, args)
  const ours = command.group === 'tree'
  const make = (what: string, request: () => Request): Case => ({
    command: name,
    what,
    ...(ours && { ours }),
    requests: () => [request()],
  })
  if (command.run !== undefined) {
    const right = name === 'shutdown' ? [name] : shape.request()
    yield make(`${MANY} arguments too many`, () => [...right, ...words(MANY, () => 'x')])
    if (!ONLY_WRONG.has(name)) {
      for (const leaf of leavesOf(args)) {
        if (leaf.arg.type === 'pure-token') continue
        for (const [what, value] of longest(shape, leaf.arg)) {
          yield make(`${leaf.arg.name}: ${what}`, () => shape.request(leaf, value))
        }
      }
      for (const multiple of multiplesOf(args)) {
        for (const [what, request] of most(shape, multiple)) yield make(what, request)
      }
      for (const arg of args) {
        if (arg.optional === true && arg.multiple !== true) {
          for (const leaf of leavesOf([arg])) {
            const option = shape.one(arg, leaf)
            const times = Math.floor(MANY / option.length)
            yield make(`${times} × ${option.join(' ')}`, () => [
              ...shape.request(),
              ...numbers(times).flatMap(() => option),
            ])
          }
        }
      }
      yield {
        ...make(`a transaction of ${TRANSACTION}`, () => right),
        requests: () => [
          ['MULTI'],
          ...Array.from({ length: TRANSACTION }, (): Request => right),
          ['EXEC'],
        ],
      }
    }
  }
  if (command.subcommands !== undefined) {
    yield make('a subcommand of 60 MB', () => [name, repeated('\x01', LONGEST)])
    for (const subcommand of command.subcommands) {
      yield* ofCommand(subcommand, `${name} ${subcommand.name}`)
    }
  }
}

/** The largest requests of each command of a table. */
export function* generatedCases(table: readonly Command[]): Generator<Case> {
  for (const command of table) yield* ofCommand(command, command.name)
}
