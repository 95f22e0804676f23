import type { Category } from './categories.ts'

/** What access needs to know of a command. */
export interface CataloguedCommand {
  /** In lower case; of a subcommand its own name only. */
  readonly name: string
  readonly categories: readonly Category[]
  readonly subcommands: readonly CataloguedCommand[]
}

/** A command with its number, which is its place in a selector's bits. */
export interface NumberedCommand {
  readonly id: number
  /** `config|get` for a subcommand. */
  readonly fullName: string
  readonly categories: readonly Category[]
  readonly parent: NumberedCommand | undefined
  readonly subcommands: readonly NumberedCommand[]
}

/** All commands, numbered: what `+get`, `-config|set` and `+@read` in a user's rules stand for. */
export class CommandCatalogue {
  /** By number: each command is followed by its subcommands. */
  readonly all: readonly NumberedCommand[]
  readonly #byName: ReadonlyMap<string, NumberedCommand>

  constructor(commands: readonly CataloguedCommand[]) {
    const all: NumberedCommand[] = []
    const add = (
      { name, categories, subcommands }: CataloguedCommand,
      parent: NumberedCommand | undefined,
    ): NumberedCommand => {
      const own: NumberedCommand[] = []
      const fullName = parent === undefined ? name : `${parent.fullName}|${name}`
      const numbered = { id: all.length, fullName, categories, parent, subcommands: own }
      all.push(numbered)
      for (const subcommand of subcommands) own.push(add(subcommand, numbered))
      return numbered
    }
    for (const command of commands) add(command, undefined)
    this.all = all
    this.#byName = new Map(all.map((command) => [command.fullName, command]))
  }

  /** @param name in any case, `config|get` for a subcommand */
  find(name: string): NumberedCommand | undefined {
    return this.#byName.get(name.toLowerCase())
  }
}
