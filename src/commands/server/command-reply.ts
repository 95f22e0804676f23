import type { Argument } from '../../request/arguments/argument.ts'
import { categoriesOf } from '../../request/categories.ts'
import type { Command, Flag } from '../../request/command.ts'
import { keySpecsOf } from '../../request/key-specs.ts'
import { ReplyWriter } from '../../resp/reply-writer.ts'

/** The flags in Redis's order. */
const FLAG_ORDER: readonly Flag[] = [
  'write',
  'readonly',
  'denyoom',
  'admin',
  'pubsub',
  'noscript',
  'blocking',
  'loading',
  'stale',
  'skip_monitor',
  'skip_slowlog',
  'fast',
  'no_auth',
  'no_async_loading',
  'no_multi',
  'allow_busy',
]

/**
 * A command with its full name; a subcommand's full name includes its container's: `client|list`.
 */
export interface NamedCommand {
  readonly fullName: string
  readonly command: Command
}

/** A command's subcommands, by their full names. */
export function subcommandsOf({ fullName, command }: NamedCommand): readonly NamedCommand[] {
  return (command.subcommands ?? []).map((subcommand) => ({
    fullName: `${fullName}|${subcommand.name}`,
    command: subcommand,
  }))
}

/** What COMMAND INFO and COMMAND DOCS say of each command, encoded once for each version of RESP. */
export class CommandReplies {
  readonly #write: (reply: ReplyWriter, named: NamedCommand) => void
  readonly #encoded = { 2: new Map<NamedCommand, Buffer>(), 3: new Map<NamedCommand, Buffer>() }

  constructor(write: (reply: ReplyWriter, named: NamedCommand) => void) {
    this.#write = write
  }

  /** @param named always the same object for one command */
  write(reply: ReplyWriter, named: NamedCommand): void {
    const encoded = this.#encoded[reply.protocol]
    let bytes = encoded.get(named)
    if (bytes === undefined) {
      const writer = new ReplyWriter()
      writer.protocol = reply.protocol
      this.#write(writer, named)
      bytes = Buffer.from(writer.bytes)
      encoded.set(named, bytes)
    }
    reply.encoded(bytes)
  }
}

/** Writes one element of COMMAND INFO: Redis's ten fields. */
export function replyCommandInfo(reply: ReplyWriter, named: NamedCommand): void {
  const { command, fullName } = named
  const [first, last, step] = command.keys ?? [0, 0, 0]
  const flags = FLAG_ORDER.filter((flag) => command.flags.includes(flag))
  const subcommands = subcommandsOf(named)
  reply.array(10)
  reply.bulk(fullName)
  reply.integer(command.arity)
  replySimpleSet(reply, flags)
  reply.integer(first)
  reply.integer(last)
  reply.integer(step)
  replySimpleSet(
    reply,
    categoriesOf(command).map((category) => `@${category}`),
  )
  // There are no tips, because they are for proxies of a cluster.
  reply.set(0)
  replyKeySpecs(reply, command)
  reply.array(subcommands.length)
  for (const subcommand of subcommands) replyCommandInfo(reply, subcommand)
}

/** Writes one value of COMMAND DOCS. */
export function replyCommandDocs(reply: ReplyWriter, named: NamedCommand): void {
  const { summary, since, group, complexity, args } = named.command
  const subcommands = subcommandsOf(named)
  const texts = Object.entries({ summary, since, group, complexity })
  const given = texts.filter((entry): entry is [string, string] => entry[1] !== undefined)
  reply.map(given.length + (args === undefined ? 0 : 1) + (subcommands.length > 0 ? 1 : 0))
  for (const [name, text] of given) {
    reply.bulk(name)
    reply.bulk(text)
  }
  if (args !== undefined) {
    reply.bulk('arguments')
    replyArguments(reply, args)
  }
  if (subcommands.length > 0) {
    reply.bulk('subcommands')
    reply.map(subcommands.length)
    for (const subcommand of subcommands) {
      reply.bulk(subcommand.fullName)
      replyCommandDocs(reply, subcommand)
    }
  }
}

function replyArguments(reply: ReplyWriter, args: readonly Argument[]): void {
  reply.array(args.length)
  for (const arg of args) replyArgument(reply, arg)
}

function replyArgument(reply: ReplyWriter, arg: Argument): void {
  const flags = (['optional', 'multiple'] as const).filter((flag) => arg[flag] === true)
  const isKey = arg.type === 'key'
  const fields = [isKey, arg.token !== undefined, flags.length > 0, arg.args !== undefined]
  reply.map(2 + fields.filter(Boolean).length)
  reply.bulk('name')
  reply.bulk(arg.name)
  reply.bulk('type')
  reply.bulk(arg.type)
  if (isKey) {
    reply.bulk('key_spec_index')
    reply.integer(0)
  }
  if (arg.token !== undefined) {
    reply.bulk('token')
    reply.bulk(arg.token)
  }
  if (flags.length > 0) {
    reply.bulk('flags')
    replySimpleSet(reply, flags)
  }
  if (arg.args !== undefined) {
    reply.bulk('arguments')
    replyArguments(reply, arg.args)
  }
}

function replyKeySpecs(reply: ReplyWriter, command: Command): void {
  const specs = keySpecsOf(command)
  reply.set(specs.length)
  for (const { first, last, step, flags } of specs) {
    reply.map(3)
    reply.bulk('flags')
    replySimpleSet(reply, flags)
    reply.bulk('begin_search')
    replySpec(reply, 'index', { index: first })
    reply.bulk('find_keys')
    // In a key spec, `lastkey` is relative to the first key, except that a negative one counts from
    // the last argument.
    replySpec(reply, 'range', { lastkey: last < 0 ? last : last - first, keystep: step, limit: 0 })
  }
}

function replySpec(reply: ReplyWriter, type: string, spec: Record<string, number>): void {
  const entries = Object.entries(spec)
  reply.map(2)
  reply.bulk('type')
  reply.bulk(type)
  reply.bulk('spec')
  reply.map(entries.length)
  for (const [name, value] of entries) {
    reply.bulk(name)
    reply.integer(value)
  }
}

function replySimpleSet(reply: ReplyWriter, texts: readonly string[]): void {
  reply.set(texts.length)
  for (const text of texts) reply.simple(text)
}
