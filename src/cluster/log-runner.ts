import { Applier } from '../log/apply.ts'
import { type Entry, EntryReader } from '../log/entry.ts'
import type { Client, ServerContext } from '../request/client.ts'
import { endTransaction } from '../request/client.ts'
import type { ServerClock } from '../request/clock.ts'
import type { Dispatcher } from '../request/dispatcher.ts'
import { expiriesOfExec, expiriesOfRequest } from '../request/log-expiries.ts'
import { asSent, conditionsOfExec } from '../request/ordered-rights.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import { ClusterError } from './cluster-error.ts'
import type { LoggedBatch } from './etcd-log.ts'
import { isExec, isWatched, watchOf } from './exec-entry.ts'
import type { LogClock } from './log-clock.ts'
import { RecentChanges } from './recent-changes.ts'
import { StandIn } from './stand-in.ts'
import type { Waiting, WaitingClient, WaitingExec, WaitingRequest } from './waiting.ts'

const EXEC: RequestArguments = ['EXEC']

/** An entry that runs when what it expires first has expired. */
interface DelayedEntry {
  readonly entry: Entry
  readonly time: number
  readonly expiries: Generator<undefined, boolean>
}

export interface LogRunnerParts {
  readonly server: ServerContext
  readonly dispatcher: Dispatcher
  readonly clock: LogClock
  /** Those that wait for a batch, if it is one of this node's. */
  landed(batch: LoggedBatch): readonly Waiting[]
  /** A node has told its time, or asks for that of others: called before those that wait for it. @param revision of the batch */
  onTime(node: string, revision: number, time: number): void
  /** Has a client get a reply that it is owed. @returns false if the client has gone */
  answer(waiting: WaitingClient, run: () => void): boolean
}

/**
 * Runs the log: each entry at the log's time, at the node that was asked with the client's reply, and
 * elsewhere in silence.
 */
export class LogRunner {
  readonly #parts: LogRunnerParts
  readonly #clock: ServerClock
  readonly #applier: Applier
  readonly #standIn: StandIn
  readonly #recent: RecentChanges

  constructor(parts: LogRunnerParts) {
    this.#parts = parts
    const { keyspace, pubsub, clients, store, clock } = parts.server
    this.#clock = clock
    this.#recent = new RecentChanges(store)
    this.#applier = new Applier(store, { keyspace, pubsub, clients })
    this.#standIn = new StandIn({ ...this.#applier.server, ...ownParts(parts.server) })
  }

  /** What EXECs depend on. */
  get recent(): RecentChanges {
    return this.#recent
  }

  /** The client that runs the writes of an EXEC. */
  writerFor(client: Client): Client {
    return this.#standIn.of(client)
  }

  /**
   * Begins a batch.
   *
   * @returns runs its next entry, or expires some of what the entry expires first, or tells of what the last has done;
   * false if it has no more. Throws if this node cannot do what the others do
   */
  begin(batch: LoggedBatch): () => boolean {
    const waiting = this.#parts.landed(batch)
    if (batch.record === undefined) return () => false
    const entries = new EntryReader(batch.record)
    let position = 0
    let delayed: DelayedEntry | undefined
    const { backlog } = this.#parts.server.pubsub
    const step = (): boolean => {
      if (backlog.next()) return true
      let isLate: boolean | undefined
      if (delayed !== undefined) {
        const { time, expiries } = delayed
        const { done, value } = this.#at(time, () => expiries.next())
        if (done !== true) return true
        isLate = value
      }
      const entry = delayed?.entry ?? entries.next()
      if (entry === undefined) return false
      const time = delayed?.time ?? this.#parts.clock.reach(entry.time)
      if (delayed === undefined && this.#isDue(time)) {
        delayed = { entry, time, expiries: this.#expiriesOf(entry, time) }
        return true
      }
      delayed = undefined
      if (entry.kind === 'expire' && entry.count === 0) {
        this.#parts.onTime(batch.node, batch.revision, entry.time)
      }
      this.#runEntry(entry, waiting[position++], time, isLate)
      return true
    }
    return () => {
      const failures = this.#failedAllocations
      const hasMore = step()
      if (this.#failedAllocations === failures) return hasMore
      throw new ClusterError('this node has not enough memory for what the log has')
    }
  }

  get #failedAllocations(): number {
    const own = this.#parts.server.stats.failedAllocations
    return own + this.#applier.server.stats.failedAllocations
  }

  #isDue(time: number): boolean {
    const next = this.#parts.server.store.nextExpiry()
    return next !== undefined && next <= time
  }

  /** Expires, bit by bit, what an entry expires first. @returns whether it is an EXEC that does nothing */
  *#expiriesOf(entry: Entry, time: number): Generator<undefined, boolean> {
    const { server, dispatcher } = this.#parts
    const { store } = server
    if (entry.kind === 'expire') yield* store.expiriesOfDue(time, entry.count)
    if (entry.kind !== 'requests') return false
    const { requests } = entry
    if (!isExec(requests)) {
      yield* expiriesOfRequest(server, dispatcher, asSent(requests[0]))
      return false
    }
    if (isWatched(requests)) yield* store.gatherDue(time)
    // Judged now, because what it expires itself does not count.
    if (this.#isLate(requests)) return true
    yield* expiriesOfExec(server, dispatcher, requests.slice(1).map(asSent))
    return false
  }

  /** @param isLate whether it is an EXEC that does nothing; undefined if nothing is due, and that is still to be judged */
  #runEntry(entry: Entry, waiting: Waiting | undefined, time: number, isLate?: boolean): void {
    if (waiting === undefined) this.#apply(entry, time, isLate)
    else if (waiting.kind === 'expire') waiting.done(true)
    else if (waiting.kind === 'request') {
      const { client } = waiting
      const run = (): void => this.#runRequest(waiting, time)
      if (!this.#parts.answer(waiting, run)) this.#runFor(client, entry, time)
    } else {
      const { client } = waiting
      const run = (): void => this.#runExec(waiting, time, isLate)
      if (!this.#parts.answer(waiting, run)) this.#runFor(client, entry, time, isLate)
      waiting.resume()
    }
  }

  /** Runs an entry of a client that has gone. */
  #runFor(client: Client, entry: Entry, time: number, isLate?: boolean): void {
    this.#apply(entry, time, isLate)
    if (entry.kind !== 'requests') return
    const requests = isExec(entry.requests) ? entry.requests.slice(1) : entry.requests
    for (const args of requests) this.#parts.dispatcher.noteRun(client, asSent(args))
  }

  #runRequest(waiting: WaitingRequest, time: number): void {
    const { client, args } = waiting
    this.#clock.stopAt(time)
    try {
      this.#parts.dispatcher.runOrdered(this.#standIn.of(client), args, waiting)
    } finally {
      this.#clock.goOn()
      this.#standIn.release()
    }
  }

  #runExec({ client, requests }: WaitingExec, time: number, isLate?: boolean): void {
    this.#clock.stopAt(time)
    try {
      const doesNothing = isLate ?? this.#isLate(requests)
      client.watched?.clear()
      client.watched = undefined
      if (doesNothing) {
        client.reply.nullArray()
        endTransaction(client)
        return
      }
      this.#parts.dispatcher.runOrdered(client, EXEC, conditionsOfExec(requests[0]))
    } finally {
      this.#clock.goOn()
      this.#standIn.release()
    }
  }

  /** Runs an entry in silence. That nodes expire is over when {@link #expiriesOf} is. */
  #apply(entry: Entry, time: number, isLate?: boolean): void {
    if (entry.kind === 'expire') return
    if (entry.kind !== 'requests' || !isExec(entry.requests)) {
      this.#applier.apply({ ...entry, time })
      return
    }
    const { requests } = entry
    if (isLate ?? this.#at(time, () => this.#isLate(requests))) return
    const { mostNodes } = conditionsOfExec(requests[0])
    if (mostNodes !== undefined && this.#parts.server.store.nodes > mostNodes) return
    this.#applier.applyTransaction({ time, requests: requests.slice(1) })
  }

  /** Does something at a time of the log. */
  #at<Result>(time: number, action: () => Result): Result {
    this.#clock.stopAt(time)
    try {
      return action()
    } finally {
      this.#clock.goOn()
    }
  }

  /** Whether an EXEC does nothing, because what it depends on has changed. */
  #isLate(requests: readonly RequestArguments[]): boolean {
    const watch = watchOf(requests)
    return watch !== undefined && this.#recent.touches(watch)
  }
}

/** What has no say in the outcome of a command. */
function ownParts(server: ServerContext): Partial<ServerContext> {
  const { stats, commandStats, monitors, logger, slowlog, latency, persistence } = server
  return { stats, commandStats, monitors, logger, slowlog, latency, persistence }
}
