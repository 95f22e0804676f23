import { quoteWord } from '../quoting.ts'
import { PathError, SnapshotError, StoreError } from '../store/errors.ts'
import { isUnixSocket } from './client-info.ts'
import type { Client, CommandStats, ServerContext } from './client-session.ts'
import { type Command, CommandError, wrongArity } from './command.ts'
import { OptionParser } from './options.ts'

/** A command, or a subcommand, ready to be called. */
interface Entry {
  readonly command: Command
  /** `client|list` for a subcommand. */
  readonly fullName: string
  readonly options: OptionParser | undefined
  readonly subcommands: ReadonlyMap<string, Entry> | undefined
}

const NO_OPTIONS = new Map<string, string>()
/** As much of an unknown command's name, and of its arguments, goes into the error (Redis). */
const UNKNOWN_SHOWN = 128

/** Finds the command for a request, checks whether it may run, and runs it. */
export class Dispatcher {
  readonly #entries = new Map<string, Entry>()
  readonly #server: ServerContext

  constructor(server: ServerContext, commands: readonly Command[]) {
    this.#server = server
    for (const command of commands) this.#entries.set(command.name, entryOf(command, command.name))
  }

  /**
   * Serves one request: exactly one reply (or none, where the command says so) is written.
   *
   * @param args the request, one byte a character; at least the command's name
   */
  dispatch(client: Client, args: readonly string[]): void {
    const { reply } = client
    // A string is immutable: going back to it undoes a reply that was begun and then failed.
    const before = reply.out
    let entry: Entry | undefined
    const started = performance.now()
    try {
      entry = this.#find(args)
      client.lastCommand = entry.fullName
      this.#check(client, entry, args)
    } catch (error) {
      if (entry !== undefined) this.#statsOf(entry).rejectedCalls++
      this.#fail(client, before, error)
      return
    }
    const stats = this.#statsOf(entry)
    try {
      const options = entry.options === undefined ? NO_OPTIONS : entry.options.parse(args)
      entry.command.run?.(client, args, options)
    } catch (error) {
      stats.failedCalls++
      this.#fail(client, before, error)
    }
    // Counted and shown afterwards, as in Redis: INFO does not count itself, and the reply to a
    // client that monitors comes before the line that tells of it.
    stats.calls++
    stats.time += (performance.now() - started) * 1000
    this.#server.stats.commandsProcessed++
    if (this.#server.monitors.size > 0) this.#monitor(client, entry, args)
  }

  #find(args: readonly string[]): Entry {
    // Most clients send upper or lower case throughout: try the name as it is first.
    const entry = this.#entries.get(args[0]) ?? this.#entries.get(args[0].toLowerCase())
    if (entry === undefined) throw unknownCommand(args)
    if (entry.subcommands === undefined || args.length < 2) return entry
    const subcommand = entry.subcommands.get(args[1].toLowerCase())
    if (subcommand !== undefined) return subcommand
    const name = shownName(args[1])
    throw new CommandError(
      `ERR unknown subcommand '${name}'. Try ${entry.command.name.toUpperCase()} HELP.`,
    )
  }

  #check(client: Client, entry: Entry, args: readonly string[]): void {
    const { command } = entry
    const { arity } = command
    const wrong = arity >= 0 ? args.length !== arity : args.length < -arity
    if (wrong || command.run === undefined) throw wrongArity(entry.fullName)
    if (
      !client.authenticated &&
      !command.flags.includes('no_auth') &&
      // The password may have been taken back since the client came.
      this.#server.config.get('requirepass') !== ''
    ) {
      throw new CommandError('NOAUTH Authentication required.')
    }
    if (
      client.reply.protocol === 2 &&
      client.channelCount + client.patternCount > 0 &&
      command.inPubSub !== true
    ) {
      throw new CommandError(
        `ERR Can't execute '${entry.fullName}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`,
      )
    }
  }

  #statsOf(entry: Entry): CommandStats {
    let stats = this.#server.commandStats.get(entry.fullName)
    if (stats === undefined) {
      stats = { calls: 0, time: 0, rejectedCalls: 0, failedCalls: 0 }
      this.#server.commandStats.set(entry.fullName, stats)
    }
    return stats
  }

  #fail(client: Client, before: string, error: unknown): void {
    client.reply.out = before
    this.#server.stats.errorReplies++
    client.reply.error(this.#errorReply(error))
  }

  #errorReply(error: unknown): string {
    if (error instanceof CommandError) return error.message
    if (error instanceof StoreError) return error.toReply()
    if (error instanceof PathError || error instanceof SnapshotError) return `ERR ${error.message}`
    // A bug, or a string longer than V8 can hold. The client learns of it, and so does the log.
    this.#server.stats.unexpectedErrors++
    this.#server.logger.error({ err: error }, 'a command failed unexpectedly')
    return `ERR internal error: ${error instanceof Error ? error.message : String(error)}`
  }

  #monitor(client: Client, entry: Entry, args: readonly string[]): void {
    if (entry.command.flags.includes('admin') || entry.command.flags.includes('skip_monitor'))
      return
    const now = this.#server.clock.now()
    const time = `${Math.floor(now / 1000)}.${String(now % 1000).padStart(3, '0')}000`
    const address = isUnixSocket(client) ? `unix:${client.address.slice(0, -2)}` : client.address
    const secrets = entry.command.secrets?.(args) ?? []
    const shown = args.map((arg, i) => (secrets.includes(i) ? '"(redacted)"' : quoteWord(arg)))
    const line = `+${time} [0 ${address}] ${shown.join(' ')}\r\n`
    for (const monitor of this.#server.monitors) {
      // CLIENT REPLY mutes these lines too (Redis); SKIP only for the request that it skips.
      const skipped = monitor === client && client.reply.muted
      if (monitor.replyMode !== 'off' && !skipped) monitor.deliver(line)
    }
  }
}

function entryOf(command: Command, fullName: string): Entry {
  const subcommands = command.subcommands?.map(
    (subcommand) =>
      [subcommand.name, entryOf(subcommand, `${fullName}|${subcommand.name}`)] as const,
  )
  return {
    command,
    fullName,
    options: command.parsed === true ? new OptionParser(command) : undefined,
    subcommands: subcommands === undefined ? undefined : new Map(subcommands),
  }
}

/** As C prints it: up to the first NUL byte. */
function shownName(text: string, length = UNKNOWN_SHOWN): string {
  const end = text.indexOf('\0')
  return text.slice(0, end < 0 ? length : Math.min(end, length))
}

/** Redis's words, down to the blank after each argument. */
function unknownCommand(args: readonly string[]): CommandError {
  let shown = ''
  for (let i = 1; i < args.length && shown.length < UNKNOWN_SHOWN; i++) {
    shown += `'${shownName(args[i], UNKNOWN_SHOWN - shown.length)}' `
  }
  const name = shownName(args[0])
  return new CommandError(`ERR unknown command '${name}', with args beginning with: ${shown}`)
}
