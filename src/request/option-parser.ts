import { textOfValue, type Value } from '../store/value.ts'
import type { Argument, Options } from './arguments/argument.ts'
import { syntaxError } from './arguments/errors.ts'
import type { Command } from './command.ts'

interface Option {
  name: string
  takesValue: boolean
  /** Options of the same group exclude each other. */
  group: string
}

/** The options that a request has. */
class FoundOptions implements Options {
  readonly #found = new Map<string, Value>()

  get size(): number {
    return this.#found.size
  }

  has(name: string): boolean {
    return this.#found.has(name)
  }

  get(name: string): string | undefined {
    const value = this.#found.get(name)
    return value === undefined ? undefined : textOfValue(value)
  }

  value(name: string): Value | undefined {
    return this.#found.get(name)
  }

  set(name: string, value: Value): void {
    this.#found.set(name, value)
  }
}

export const NO_OPTIONS: Options = new FoundOptions()

/** Reads a command's optional arguments by the tokens in its declaration. */
export class OptionParser {
  readonly #options = new Map<string, Option>()
  /** Position of the first option, after the command's name and its required arguments. */
  readonly #first: number

  constructor(command: Command) {
    const args = command.args ?? []
    this.#first = 1 + args.filter((arg) => arg.optional !== true).length
    for (const arg of args) if (arg.optional === true) this.#add(arg, arg.name)
  }

  /**
   * Reads the options of a request.
   *
   * @param args the whole request, the command's name first
   * @throws CommandError a syntax error, if an option is unknown, given twice, excluded by another,
   * or without its value
   */
  parse(args: readonly Value[]): Options {
    if (args.length === this.#first) return NO_OPTIONS
    const found = new FoundOptions()
    const groups = new Set<string>()
    for (let i = this.#first; i < args.length; i++) {
      const option = this.#options.get(textOfValue(args[i]).toUpperCase())
      if (option === undefined || groups.has(option.group)) throw syntaxError()
      groups.add(option.group)
      if (option.takesValue && ++i === args.length) throw syntaxError()
      found.set(option.name, option.takesValue ? args[i] : '')
    }
    return found
  }

  #add(arg: Argument, group: string): void {
    if (arg.type === 'oneof') {
      for (const member of arg.args ?? []) this.#add(member, group)
      return
    }
    const takesValue = arg.type !== 'pure-token'
    if (arg.token !== undefined) this.#options.set(arg.token, { name: arg.name, takesValue, group })
  }
}
