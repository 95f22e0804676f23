import { type CommandStats, countError, newCommandStats } from '../metrics/counters.ts'
import { histogramBucket } from '../metrics/latency-histogram.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Value } from '../store/value.ts'
import {
  CommandError,
  MAX_SHOWN_CHARACTERS,
  unknownCommand,
  wrongArity,
} from './arguments/errors.ts'
import { textOf } from './arguments/token.ts'
import { BroadTime } from './broad-time.ts'
import type { Client, ServerContext } from './client.ts'
import { endTransaction, limitKept } from './client.ts'
import type { Command } from './command.ts'
import { isOverBound, longerThanAsked } from './copy-bounds.ts'
import { lateDenialText } from './denial-text.ts'
import { DeniedError } from './denied-error.ts'
import { errorAsSeen } from './error-as-seen.ts'
import { checkExecGrowth } from './exec-growth.ts'
import { beginExecuting, mostReplyBytes } from './exec-limits.ts'
import { writtenPaths } from './expiry-slice.ts'
import type { Gate } from './gate.ts'
import { checkListening } from './listening-client.ts'
import { checkTurn, MIN_TAKEN_US } from './long-requests.ts'
import { PUT_OFF } from './long-work.ts'
import {
  followSlowTime,
  noteAudited,
  noteDenial,
  noteSlow,
  noteUnexpected,
  showToMonitors,
} from './notes.ts'
import { NO_OPTIONS } from './option-parser.ts'
import {
  asSent,
  type Conditions,
  denialInOrder,
  isLeftOut,
  judgeOrdered,
  refusalInOrder,
} from './ordered-rights.ts'
import { denialOf } from './permission.ts'
import { mayWrite, type PreparedCommand, prepareCommand } from './prepared-command.ts'
import { checkProtected } from './protected-command.ts'
import { isExpected, refusalText } from './refusals.ts'
import { isShort } from './room.ts'
import type { Transaction } from './transaction.ts'
import { hasLarge, withoutLarge } from './value-places.ts'

/** Finds the command for a request, checks whether it may run, and runs it. */
export class Dispatcher {
  readonly #entries = new Map<string, PreparedCommand>()
  readonly #server: ServerContext
  /** Asked before each call; absent while all requests may run at once. */
  gate: Gate | undefined
  /** The name in the last request of a command without subcommands, and that command. */
  #lastName: string | undefined
  #lastEntry: PreparedCommand | undefined
  readonly #broadTime: BroadTime
  /** The lower threshold of SLOWLOG and LATENCY, in microseconds. */
  #slowTime = Number.POSITIVE_INFINITY

  constructor(server: ServerContext, commands: readonly Command[]) {
    this.#server = server
    for (const command of commands)
      this.#entries.set(command.name, prepareCommand(command, command.name, server.catalogue))
    const { config } = server
    this.#broadTime = new BroadTime(config, server.store)
    followSlowTime(config, (time) => {
      this.#slowTime = time
    })
  }

  /**
   * Serves one request: runs it, queues it, or writes an error reply.
   *
   * @param sent the request
   */
  dispatch(client: Client, sent: RequestArguments): void {
    let args = sent
    let entry: PreparedCommand | undefined
    try {
      entry = this.#find(args)
      client.lastCommand = entry.fullName
      this.#check(client, entry, args)
      // Only now, because a refused request must not cost a copy of its arguments.
      if (hasLarge(args)) args = withoutLarge(args, entry.values)
      if (this.gate !== undefined && client.transaction === undefined)
        entry.command.checkRoom?.(this.#server.memory, args, this.#server.store)
    } catch (error) {
      // Replies are in order: the error comes after those that a log still owes the client.
      if (client.owed > 0 && this.gate?.holds(client, sent, false) === true) return
      if (entry !== undefined && error instanceof DeniedError)
        noteDenial(this.#server, client, entry, sent, error.denial)
      this.#refuse(client, entry, error)
      return
    }
    if (this.gate?.holds(client, args, mayWrite(entry, client.transaction)) === true) return
    if (client.transaction === undefined || entry.inMulti) this.#call(client, entry, args)
    else this.#queue(client, client.transaction, entry, args)
  }

  /**
   * Runs a request again that has run before, without checks and counters. The clock must stand at the
   * time at which it ran. An error is the outcome that it had, or shows in the store's index.
   *
   * @param logged the request as a log has it
   * @returns the error
   */
  apply(client: Client, logged: RequestArguments): unknown {
    let thrown: unknown
    try {
      const sent = asSent(logged)
      const entry = this.#find(sent)
      if (sent !== logged && isLeftOut(logged, entry, sent, this.#server.store)) return
      const args = hasLarge(sent) ? withoutLarge(sent, entry.values) : sent
      const options = entry.options === undefined ? NO_OPTIONS : entry.options.parse(args)
      thrown = entry.run?.(client, args as never, options)
    } catch (error) {
      this.#errorReply(error)
      thrown = error
    }
    client.reply.rewind(0)
    return thrown
  }

  /** Like {@link apply}, for the requests of an EXEC. */
  applyTransaction(client: Client, requests: readonly RequestArguments[]): void {
    this.#expireBefore(requests)
    for (const args of requests) this.apply(client, args)
  }

  /**
   * Runs a request that has been checked, and that a log has put in order.
   *
   * @param conditions what it depends on; absent if nothing
   */
  runOrdered(client: Client, args: RequestArguments, conditions?: Conditions): void {
    const entry = this.#find(args)
    const { store } = this.#server
    const refusal = conditions && refusalInOrder(conditions, entry, args, store)
    if (refusal === undefined) {
      this.#call(client, entry, args)
      return
    }
    if (refusal instanceof DeniedError)
      noteDenial(this.#server, client, entry, args, refusal.denial)
    this.#refuse(client, entry, refusal)
  }

  /** Adds a request, whose client has gone before it ran, to the audit log. */
  noteRun(client: Client, args: RequestArguments): void {
    const entry = this.#find(args)
    if (entry.audited) noteAudited(this.#server, client, entry, args)
  }

  /** Whether a request reads the tree. */
  isRead(args: RequestArguments): boolean {
    return this.#find(args).command.flags.includes('readonly')
  }

  /**
   * The requests of a transaction that a log has to put in order. All that may refuse one of them is asked
   * now, because users and memory are one node's own: later the other nodes run what is in the log.
   *
   * @returns undefined if the transaction has been refused
   */
  takeOrdered(client: Client, transaction: Transaction): RequestArguments[] | undefined {
    const { requests, writes } = transaction
    try {
      this.#checkGrowth(requests, writes)
      const { memory, store } = this.#server
      for (const args of requests) this.#find(args).command.checkRoom?.(memory, args, store)
    } catch (error) {
      endTransaction(client)
      this.#fail(client, client.reply.length, error)
      return
    }
    return judgeOrdered(transaction, client.user, this.#server.store, (args) => this.#find(args))
  }

  /**
   * Runs a client's queued requests, and writes EXEC's reply: an array of all replies.
   *
   * @param writer runs those that a log puts in order
   */
  execute(client: Client, transaction: Transaction, writer = client): void {
    const { requests, denied, writes } = transaction
    const { reply } = client
    const { recorder } = this.#server.persistence
    if (writer === client) this.#checkGrowth(requests, writes)
    // The other nodes know only what the log has, and what is denied is not in it.
    this.#expireBefore(writer === client ? requests : requests.filter((a) => !denied?.has(a)))
    for (const each of [client, writer]) beginExecuting(each)
    this.#broadTime.begin()
    recorder.beginTransaction()
    const before = reply.length
    const ownBefore = reply.ownLength
    const most = mostReplyBytes(this.#server.memory)
    let tooLong = false
    reply.array(requests.length)
    for (const args of requests) {
      const entry = this.#find(args)
      // What only replies would do nothing but take time.
      if (tooLong && entry.onlyReplies) continue
      // The user, or the tree, may have changed since the request was queued.
      const denial =
        writer !== client && entry.ordered
          ? denialInOrder(transaction, entry, args, this.#server.store)
          : denialOf(client.user, entry.access, args, this.#server.store)
      if (denial !== undefined) {
        noteDenial(this.#server, client, entry, args, denial)
        this.#fail(client, reply.length, new CommandError(lateDenialText(denial)))
      } else if (isOverBound(entry, args, this.#server.store, transaction.copyBound))
        this.#fail(client, reply.length, longerThanAsked())
      else if (entry.broad === undefined) this.#call(entry.ordered ? writer : client, entry, args)
      else this.#callBroad(client, entry, args)
      if (client.replyMode === 'off') reply.muted = true
      if (reply.ownLength - ownBefore > most) {
        // A transaction is all or nothing, so the remaining writes run, too.
        tooLong = true
        reply.rewind(before)
        reply.muted = true
      }
    }
    recorder.endTransaction(this.#server.clock.now())
    client.executing = writer.executing = false
    if (tooLong) client.disconnect(`the replies of its EXEC are over ${most} bytes`)
  }

  #find(args: RequestArguments): PreparedCommand {
    // Most pipelines repeat one command, and comparing a name costs less than looking it up.
    if (args[0] === this.#lastName) return this.#lastEntry as PreparedCommand
    // A name in lower case, as many clients send it, needs no conversion.
    const entry = this.#entries.get(args[0]) ?? this.#entries.get(args[0].toLowerCase())
    if (entry === undefined) throw unknownCommand(args)
    if (entry.subcommands === undefined) {
      this.#lastName = args[0]
      this.#lastEntry = entry
      return entry
    }
    if (args.length < 2) return entry
    const word = textOf(args[1], MAX_SHOWN_CHARACTERS)
    const subcommand = entry.subcommands.get(word.toLowerCase())
    if (subcommand !== undefined) return subcommand
    throw new CommandError(
      `ERR unknown subcommand '${word}'. Try ${entry.command.name.toUpperCase()} HELP.`,
    )
  }

  /** The command that a request calls; undefined if there is none such. */
  find(request: readonly Value[]): PreparedCommand | undefined {
    try {
      return this.#find(request as RequestArguments)
    } catch {
      return undefined
    }
  }

  /** Checks in Redis's order, which decides the error reply for a request with several faults. */
  #check(client: Client, entry: PreparedCommand, args: RequestArguments): void {
    const { arity } = entry
    const wrong = arity >= 0 ? args.length !== arity : args.length < -arity
    if (wrong || entry.run === undefined) throw wrongArity(entry.fullName)
    if (entry.protectedBy !== undefined) checkProtected(client, entry)
    if (
      !client.authenticated &&
      !entry.access.open &&
      // CONFIG SET may have removed the password since the client connected.
      this.#server.users.loginRequired
    ) {
      throw new CommandError('NOAUTH Authentication required.')
    }
    const { transaction } = client
    if (transaction !== undefined && entry.noMulti) {
      throw new CommandError('ERR Command not allowed inside a transaction')
    }
    if (!client.user.unrestricted) this.#checkUser(client, entry, args)
    const { clock, memory, persistence } = this.#server
    if (isShort(memory, entry, args, transaction, clock.lastLap))
      throw new CommandError(memory.reason)
    const writes = entry.writes || (entry.isExec && transaction?.writes === true)
    if (writes && persistence.failure !== undefined) {
      const { failure } = persistence
      throw new CommandError(`MISCONF Errors writing to the data directory: ${failure}`)
    }
    if (client.channelCount + client.patternCount > 0) checkListening(client, entry)
  }

  #checkUser(client: Client, entry: PreparedCommand, args: RequestArguments): void {
    const denial = denialOf(client.user, entry.access, args, this.#server.store)
    if (denial !== undefined) throw new DeniedError(denial, entry.fullName)
  }

  #queue(
    client: Client,
    transaction: Transaction,
    entry: PreparedCommand,
    args: RequestArguments,
  ): void {
    // A transaction that will not run need not keep its requests (Redis).
    if (!transaction.failed && client.watched?.touched !== true) {
      transaction.add(args, entry)
      limitKept(client)
    }
    client.reply.simple('QUEUED')
    this.#server.clock.lap()
  }

  /** Expires nodes that stand in the way of a transaction's writes, before the first write. */
  #expireBefore(requests: readonly RequestArguments[]): void {
    const { store, clock } = this.#server
    const next = store.nextExpiry()
    if (next === undefined || next > clock.now()) return
    store.expireBefore(writtenPaths(requests.map(asSent), (args) => this.#find(args)))
  }

  /** @throws CommandError if the requests of a transaction would make too many nodes, or writes */
  #checkGrowth(requests: Transaction['requests'], writes: boolean): void {
    try {
      checkExecGrowth(this.#server, requests, writes, (args) => this.#find(args))
    } catch (error) {
      const reason = this.#errorReply(error).replace(/^ERR /, '')
      throw new CommandError(`EXECABORT Transaction discarded because of: ${reason}`)
    }
  }

  /** Calls a broad command of an EXEC, unless those before it have taken too long. */
  #callBroad(client: Client, entry: PreparedCommand, args: RequestArguments): void {
    const { clock } = this.#server
    const refusal = this.#broadTime.refusal(entry, args)
    if (refusal !== undefined) {
      ;(entry.stats ?? this.#statsOf(entry)).rejectedCalls++
      this.#fail(client, client.reply.length, refusal)
      return
    }
    const started = clock.lastLap
    this.#call(client, entry, args)
    this.#broadTime.add(entry, args, clock.lastLap - started)
  }

  #call(client: Client, entry: PreparedCommand, args: RequestArguments): void {
    const before = client.reply.length
    const stats = entry.stats ?? this.#statsOf(entry)
    const { clock, longWork, persistence, store } = this.#server
    const started = clock.lastLap
    const { index } = store
    if (entry.writes) persistence.recorder.begin()
    let error: unknown
    try {
      if (longWork.isOver) checkTurn(this.#server, client, entry, args)
      const options = entry.options === undefined ? NO_OPTIONS : entry.options.parse(args)
      error = entry.run?.(client, args as never, options)
      if (entry.audited && error === undefined) noteAudited(this.#server, client, entry, args)
    } catch (thrown) {
      error = thrown
    }
    if (error === PUT_OFF && !longWork.unlimited) {
      this.#putOff(client, entry, before, args)
      return
    }
    if (error !== undefined) {
      stats.failedCalls++
      if (store.index !== index && !isExpected(error)) this.#cutOff(client, before, error)
      else this.#fail(client, before, errorAsSeen(client, entry, args, error))
    }
    if (entry.writes) persistence.recorder.end(args, clock.now())
    // Counting and monitoring come after the call, as in Redis: INFO does not count itself, and a
    // client that monitors gets its reply before the line about the request.
    const time = (clock.lap() - started) * 1000
    stats.calls++
    stats.time += time
    stats.histogram[histogramBucket(time)]++
    this.#server.stats.commandsProcessed++
    if (time >= MIN_TAKEN_US) longWork.took(time / 1000)
    if (time >= this.#slowTime) noteSlow(this.#server, client, entry, args, time)
    if (this.#server.monitors.size > 0) showToMonitors(this.#server, client, entry, args)
  }

  /** Has a request that has done nothing served later. A server that closes has no later turn. */
  #putOff(client: Client, entry: PreparedCommand, before: number, args: RequestArguments): void {
    const { clock, persistence } = this.#server
    client.reply.rewind(before)
    if (entry.writes) persistence.recorder.end(args, clock.now())
    clock.lap()
    client.putOff(args)
  }

  #statsOf(entry: PreparedCommand): CommandStats {
    const stats = newCommandStats()
    entry.stats = stats
    this.#server.commandStats.set(entry.fullName, stats)
    return stats
  }

  /** Replies with an error instead of running or queuing the request; its transaction fails too. */
  #refuse(client: Client, entry: PreparedCommand | undefined, error: unknown): void {
    this.#server.clock.lap()
    if (entry !== undefined) (entry.stats ?? this.#statsOf(entry)).rejectedCalls++
    if (client.transaction !== undefined) client.transaction.failed = true
    if (entry?.isExec !== true) {
      this.#fail(client, client.reply.length, error)
      return
    }
    endTransaction(client)
    const reason = this.#errorReply(error).replace(/^ERR /, '')
    const aborted = new CommandError(`EXECABORT Transaction discarded because of: ${reason}`)
    this.#fail(client, client.reply.length, aborted)
  }

  /**
   * Replaces the request's reply by an error.
   *
   * @param before length of the output before the request's reply
   */
  #fail(client: Client, before: number, error: unknown): void {
    client.reply.rewind(before)
    const text = this.#errorReply(error)
    countError(this.#server.stats, text)
    client.reply.error(text)
  }

  /** Ends the connection instead of replying, because an error would deny a write that was made. */
  #cutOff(client: Client, before: number, error: unknown): void {
    client.reply.rewind(before)
    noteUnexpected(this.#server, error)
    client.disconnect('its write was made, but the reply could not')
  }

  #errorReply(error: unknown): string {
    const text = refusalText(error)
    if (text !== undefined) return text
    // A bug, or a string longer than V8 allows, goes to the client and to the log.
    noteUnexpected(this.#server, error)
    return `ERR internal error: ${error instanceof Error ? error.message : String(error)}`
  }
}
