// COMMAND

import { CATEGORIES } from '../../access/categories.ts'
import { CommandError, syntaxError } from '../../request/arguments/errors.ts'
import { checkPattern } from '../../request/arguments/pattern.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import { categoriesOf } from '../../request/categories.ts'
import type { Command, Flag } from '../../request/command.ts'
import { type UsedKeys, usedKeys } from '../../request/key-specs.ts'
import { textBytes, writeBulk, writeList } from '../../resp/reply-list.ts'
import type { ReplyWriter } from '../../resp/reply-writer.ts'
import { Glob } from '../../text/glob.ts'
import { withHelp } from '../subcommand-help.ts'
import {
  CommandReplies,
  type NamedCommand,
  replyCommandDocs,
  replyCommandInfo,
  subcommandsOf,
} from './command-reply.ts'

const FLAGS: readonly Flag[] = ['loading', 'stale']

const NAMES = [{ name: 'command-name', type: 'string', optional: true, multiple: true }] as const

const NONE: readonly NamedCommand[] = []

const infos = new CommandReplies(replyCommandInfo)
const docs = new CommandReplies(replyCommandDocs)

/** Finds commands and subcommands by name. */
class Catalogue {
  readonly #all: () => readonly Command[]
  #byName: ReadonlyMap<string, NamedCommand> | undefined
  /** Every command, each followed by its subcommands, as COMMAND LIST shows them. */
  #everything: readonly NamedCommand[] | undefined
  /** Subcommands too, by their full names. */
  #byAnyName: ReadonlyMap<string, NamedCommand> | undefined
  /** By category, in the order of COMMAND LIST. */
  #byCategory: ReadonlyMap<string, readonly NamedCommand[]> | undefined

  constructor(all: () => readonly Command[]) {
    this.#all = all
  }

  /** The commands by name, in the table's order, without subcommands. */
  get commands(): ReadonlyMap<string, NamedCommand> {
    this.#byName ??= new Map(
      this.#all().map((command) => [command.name, { fullName: command.name, command }]),
    )
    return this.#byName
  }

  get everything(): readonly NamedCommand[] {
    this.#everything ??= [...this.commands.values()].flatMap((named) => [
      named,
      ...subcommandsOf(named),
    ])
    return this.#everything
  }

  /** @param category in lower case; none has a category that does not exist */
  inCategory(category: string): readonly NamedCommand[] {
    this.#byCategory ??= new Map(
      CATEGORIES.map((each) => [
        each,
        this.everything.filter(({ command }) => categoriesOf(command).includes(each)),
      ]),
    )
    return this.#byCategory.get(category) ?? NONE
  }

  /** @param name in any case, `container|subcommand` for a subcommand */
  find(name: string): NamedCommand | undefined {
    this.#byAnyName ??= new Map(this.everything.map((named) => [named.fullName, named]))
    return this.#byAnyName.get(name) ?? this.#byAnyName.get(name.toLowerCase())
  }

  /** The command or subcommand that a request calls. */
  findRequested(args: readonly string[]): NamedCommand | undefined {
    const found = this.commands.get(args[0].toLowerCase())
    if (found?.command.subcommands === undefined || args.length === 1) return found
    return subcommandsOf(found).find(({ command }) => command.name === args[1].toLowerCase())
  }
}

/**
 * The commands that COMMAND LIST's options choose.
 *
 * @throws CommandError a syntax error
 */
function listed(catalogue: Catalogue, args: readonly string[]): readonly NamedCommand[] {
  if (args.length === 2) return catalogue.everything
  if (args.length !== 5 || tokenOf(args[2]) !== 'FILTERBY') throw syntaxError()
  const value = args[4].toLowerCase()
  switch (tokenOf(args[3])) {
    case 'MODULE':
      return NONE
    case 'ACLCAT':
      return catalogue.inCategory(value)
    case 'PATTERN': {
      checkPattern(value)
      const glob = new Glob(value)
      return catalogue.everything.filter(({ fullName }) => glob.matches(fullName))
    }
    default:
      throw syntaxError()
  }
}

/**
 * The keys of a request, according to the command's declaration.
 *
 * @throws CommandError if the command is unknown or takes no keys, or the arity is wrong
 */
function keysOf(found: NamedCommand | undefined, request: readonly string[]): UsedKeys[] {
  if (found === undefined) throw new CommandError('ERR Invalid command specified')
  const { arity, keys } = found.command
  if (keys === undefined) throw new CommandError('ERR The command has no key arguments')
  if (arity >= 0 ? request.length !== arity : request.length < -arity) {
    throw new CommandError('ERR Invalid number of arguments specified for command')
  }
  return usedKeys(found.command, request)
}

const countOf = (used: readonly UsedKeys[]): number =>
  used.reduce((sum, { keys }) => sum + keys.length, 0)

/** COMMAND and COMMAND INFO without names. */
function replyAllInfo(reply: ReplyWriter, catalogue: Catalogue): void {
  reply.array(catalogue.commands.size)
  for (const named of catalogue.commands.values()) infos.write(reply, named)
}

/**
 * COMMAND and its subcommands.
 *
 * @param all returns the whole table; a function because the table contains these commands
 */
export function commandFamily(all: () => readonly Command[]): readonly Command[] {
  const catalogue = new Catalogue(all)
  const subcommands: readonly Command[] = [
    {
      name: 'count',
      summary: 'Returns the number of commands.',
      group: 'server',
      since: '0.1.0',
      complexity: 'O(1)',
      arity: 2,
      flags: FLAGS,
      run({ reply }) {
        reply.integer(catalogue.commands.size)
      },
    },
    {
      name: 'list',
      summary: 'Lists the names of all commands, or of those that match.',
      group: 'server',
      since: '0.1.0',
      complexity: 'O(N) where N is the number of commands',
      arity: -2,
      flags: FLAGS,
      broad: true,
      args: [
        {
          name: 'filterby',
          type: 'oneof',
          token: 'FILTERBY',
          optional: true,
          args: [
            { name: 'module-name', type: 'string', token: 'MODULE' },
            { name: 'category', type: 'string', token: 'ACLCAT' },
            { name: 'pattern', type: 'pattern', token: 'PATTERN' },
          ],
        },
      ],
      run({ reply }, args) {
        const chosen = listed(catalogue, args)
        reply.array(chosen.length)
        for (const { fullName } of chosen) reply.bulk(fullName)
      },
    },
    {
      name: 'info',
      summary: 'Describes commands to programs: arity, flags, keys.',
      group: 'server',
      since: '0.1.0',
      complexity: 'O(N) where N is the number of commands asked for',
      arity: -2,
      flags: FLAGS,
      broad: true,
      args: NAMES,
      run({ reply }, args) {
        if (args.length === 2) {
          replyAllInfo(reply, catalogue)
          return
        }
        reply.array(args.length - 2)
        const named = args.slice(2).map((name) => catalogue.find(name))
        writeList(reply, named, (piece, each) => {
          if (each === undefined) piece.null()
          else infos.write(piece, each)
        })
      },
    },
    {
      name: 'docs',
      summary: 'Describes commands to people: summary, complexity, arguments.',
      group: 'server',
      since: '0.1.0',
      complexity: 'O(N) where N is the number of commands asked for',
      arity: -2,
      flags: FLAGS,
      broad: true,
      args: NAMES,
      run({ reply }, args) {
        const chosen =
          args.length === 2
            ? [...catalogue.commands.values()]
            : args
                .slice(2)
                .map((name) => catalogue.find(name))
                .filter((named) => named !== undefined)
        reply.map(chosen.length)
        writeList(reply, chosen, (piece, named) => {
          piece.bulk(named.fullName)
          docs.write(piece, named)
        })
      },
    },
    {
      name: 'getkeys',
      summary: 'Returns the arguments of a request that are keys.',
      group: 'server',
      since: '0.1.0',
      complexity: 'O(N) where N is the number of arguments',
      arity: -4,
      flags: FLAGS,
      broad: true,
      args: [
        { name: 'command', type: 'string' },
        { name: 'arg', type: 'string', optional: true, multiple: true },
      ],
      run({ reply }, args) {
        const request = args.slice(2)
        const used = keysOf(catalogue.findRequested(request), request)
        reply.array(countOf(used))
        for (const { keys } of used) writeList(reply, keys, writeBulk, textBytes(keys))
      },
    },
    {
      name: 'getkeysandflags',
      summary: 'Returns the arguments of a request that are keys, and how it uses them.',
      group: 'server',
      since: '0.1.0',
      complexity: 'O(N) where N is the number of arguments',
      arity: -4,
      flags: FLAGS,
      broad: true,
      args: [
        { name: 'command', type: 'string' },
        { name: 'arg', type: 'string', optional: true, multiple: true },
      ],
      run({ reply }, args) {
        const request = args.slice(2)
        const used = keysOf(catalogue.findRequested(request), request)
        reply.array(countOf(used))
        for (const { keys, flags } of used) {
          const write = (piece: ReplyWriter, key: string): void => {
            piece.array(2)
            piece.bulk(key)
            piece.set(flags.length)
            for (const flag of flags) piece.simple(flag)
          }
          writeList(reply, keys, write, textBytes(keys))
        }
      },
    },
  ]
  return [
    {
      name: 'command',
      summary: 'Describes all commands to programs.',
      group: 'server',
      since: '0.1.0',
      complexity: 'O(N) where N is the number of commands',
      arity: -1,
      flags: FLAGS,
      broad: true,
      categories: ['connection'],
      subcommands: withHelp('command', 'server', subcommands).map((subcommand) => ({
        ...subcommand,
        categories: ['connection'],
      })),
      run({ reply }) {
        replyAllInfo(reply, catalogue)
      },
    },
  ]
}
