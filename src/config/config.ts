import { ExpectedError } from '../text/expected-error.ts'
import { Glob } from '../text/glob.ts'
import {
  formatValue,
  parseValue,
  sameValue,
  takesSeveral,
  type Value,
  ValueError,
} from './directive-value.ts'
import {
  type DirectiveName,
  type DirectiveValue,
  describeDirective,
  directiveNames,
  directives,
  findDirective,
} from './directives.ts'
import { parseUserLine, type UserLine } from './user-lines.ts'

export type { OutputLimit, OutputLimits } from './directive-value.ts'
export type { DirectiveName, DirectiveValue, LogLevel } from './directives.ts'

/**
 * A directive that could not be set. `reason` is Redis's text, `message` the reply to CONFIG SET.
 */
export class ConfigError extends ExpectedError {
  override name = 'ConfigError'
  readonly directive: string
  readonly reason: string

  constructor(directive: string, reason: string, message?: string) {
    super(message ?? `CONFIG SET failed (possibly related to argument '${directive}') - ${reason}`)
    this.directive = directive
    this.reason = reason
  }
}

const unknown = (name: string): ConfigError =>
  new ConfigError(
    name,
    'Bad directive or wrong number of arguments',
    `Unknown option or number of arguments for CONFIG SET - '${name}'`,
  )

/**
 * Called after a change. It refuses the change by throwing an error, whose message becomes the
 * reason.
 */
export type ChangeListener<N extends DirectiveName> = (
  value: DirectiveValue<N>,
  previous: DirectiveValue<N>,
) => void

/**
 * The values of all directives. Strings are binary strings, one character a byte, like all
 * arguments. Names of files must be decoded with `pathFromBytes`.
 */
export class Config {
  readonly #values = new Map<DirectiveName, Value>()
  readonly #users: UserLine[] = []
  readonly #userNames = new Set<string>()
  readonly #listeners = new Map<DirectiveName, Set<ChangeListener<never>>>()

  constructor() {
    for (const name of directiveNames) this.#values.set(name, directives[name].default)
  }

  get<N extends DirectiveName>(name: N): DirectiveValue<N> {
    return this.#values.get(name) as DirectiveValue<N>
  }

  /** The lines `user`, in turn. */
  get users(): readonly UserLine[] {
    return this.#users
  }

  /**
   * Adds a user, from the arguments of a conf file's line or of a command line option.
   * @throws ConfigError
   */
  addUser(args: readonly string[]): void {
    try {
      const line = parseUserLine(args, this.#userNames)
      this.#users.push(line)
      this.#userNames.add(line.name)
    } catch (error) {
      throw new ConfigError('user', (error as Error).message)
    }
  }

  /**
   * Sets one directive from the arguments of a conf file's line, or of an option on the command
   * line. Immutable directives can be set too.
   * @throws ConfigError
   */
  set(name: string, args: readonly string[]): void {
    if (name.toLowerCase() === 'user') {
      this.addUser(args)
      return
    }
    const known = findDirective(name)
    if (!known) throw unknown(name)
    this.#apply(new Map([[known, this.#parse(known, args)]]))
  }

  /**
   * CONFIG SET: sets all of the directives or, if one is refused, none.
   * @param pairs names in any case, each with one argument; a Map, for example
   * @param allowProtected whether protected directives may be set (`enable-protected-configs`)
   * @throws ConfigError whose message is the reply without `ERR`
   */
  setMany(pairs: Iterable<readonly [name: string, value: string]>, allowProtected = true): void {
    const arguments_ = new Map<DirectiveName, string>()
    for (const [name, value] of pairs) {
      const known = findDirective(name)
      if (!known) throw unknown(name)
      if (!directives[known].mutable) throw new ConfigError(name, "can't set immutable config")
      if (!allowProtected && isProtected(known)) {
        throw new ConfigError(name, "can't set protected config")
      }
      if (arguments_.has(known)) throw new ConfigError(name, 'duplicate parameter')
      arguments_.set(known, value)
    }
    const values = new Map<DirectiveName, Value>()
    for (const [name, value] of arguments_) {
      // CONFIG SET splits at every space: two in a row make an empty argument, as in Redis.
      const several = takesSeveral(directives[name]) && value !== ''
      values.set(name, this.#parse(name, several ? value.split(' ') : [value]))
    }
    this.#apply(values)
  }

  /** The value as CONFIG GET shows it. */
  format(name: DirectiveName): string {
    return formatValue(directives[name], this.get(name))
  }

  /** Whether a directive has its default value. */
  isDefault(name: DirectiveName): boolean {
    return sameValue(directives[name], this.get(name), directives[name].default)
  }

  /** The names that match any of the globs, in any case, in the order of the table (CONFIG GET). */
  match(globs: readonly string[]): DirectiveName[] {
    const lower = globs.map((glob) => new Glob(glob.toLowerCase()))
    return directiveNames.filter((name) => lower.some((glob) => glob.matches(name)))
  }

  /** Calls `listener` whenever the value changes. @returns a function that ends the calls */
  onChange<N extends DirectiveName>(name: N, listener: ChangeListener<N>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  #parse(name: DirectiveName, args: readonly string[]): Value {
    try {
      return parseValue(directives[name], args, this.get(name))
    } catch (error) {
      if (error instanceof ValueError) throw new ConfigError(name, error.message)
      throw error
    }
  }

  #apply(values: ReadonlyMap<DirectiveName, Value>): void {
    const previous = new Map<DirectiveName, Value>()
    for (const [name, value] of values) {
      const directive = describeDirective(name)
      if (sameValue(directive, value, this.get(name)) && directive.volatile !== true) continue
      previous.set(name, this.get(name))
      this.#values.set(name, value)
    }
    const told: [ChangeListener<never>, DirectiveName][] = []
    for (const [name, old] of previous) {
      for (const listener of this.#listeners.get(name) ?? []) {
        try {
          listener(this.get(name) as never, old as never)
          told.push([listener, name])
        } catch (error) {
          this.#restore(previous, values, told)
          throw new ConfigError(name, error instanceof Error ? error.message : String(error))
        }
      }
    }
  }

  /** Undoes a refused change, and tells the listeners that had already been told of it. */
  #restore(
    previous: ReadonlyMap<DirectiveName, Value>,
    refused: ReadonlyMap<DirectiveName, Value>,
    told: readonly [ChangeListener<never>, DirectiveName][],
  ): void {
    for (const [name, value] of previous) this.#values.set(name, value)
    for (const [listener, name] of told.toReversed()) {
      listener(this.get(name) as never, refused.get(name) as never)
    }
  }
}

function isProtected(name: DirectiveName): boolean {
  return describeDirective(name).protected === true
}

/** Decodes a path: file names are UTF-8. */
export function pathFromBytes(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}
