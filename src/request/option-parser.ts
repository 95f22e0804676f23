import type { Argument, Options } from './arguments/argument.ts'
import { syntaxError } from './arguments/errors.ts'
import type { Command } from './command.ts'

interface Option {
  name: string
  takesValue: boolean
  /** Options of the same group exclude each other. */
  group: string
}

const NONE: Options = new Map()

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
  parse(args: readonly string[]): Options {
    if (args.length === this.#first) return NONE
    const found = new Map<string, string>()
    const groups = new Set<string>()
    for (let i = this.#first; i < args.length; i++) {
      const option = this.#options.get(args[i].toUpperCase())
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
