import { Applier } from '../log/apply.ts'
import { type Entry, EntryReader } from '../log/entry.ts'
import type { Client, ServerContext } from '../request/client.ts'
import { endTransaction } from '../request/client.ts'
import type { ServerClock } from '../request/clock.ts'
import type { Dispatcher } from '../request/dispatcher.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import { ClusterError } from './cluster-error.ts'
import type { LoggedBatch } from './etcd-log.ts'
import { isExec, watchOf } from './exec-entry.ts'
import type { LogClock } from './log-clock.ts'
import { RecentChanges } from './recent-changes.ts'
import { StandIn } from './stand-in.ts'
import type { Waiting, WaitingClient, WaitingExec } from './waiting.ts'

const EXEC: RequestArguments = ['EXEC']

export interface LogRunnerParts {
  readonly server: ServerContext
  readonly dispatcher: Dispatcher
  readonly clock: LogClock
  /** Those that wait for a batch, if it is one of this node's. */
  landed(batch: LoggedBatch): readonly Waiting[]
  /** A node has told its time. @param revision of the batch */
  onTime(node: string, revision: number): void
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
   * @returns runs its next entry; false if it has no more. Throws if this node cannot do what the others do
   */
  begin(batch: LoggedBatch): () => boolean {
    const waiting = this.#parts.landed(batch)
    if (batch.record === undefined) return () => false
    const entries = new EntryReader(batch.record)
    let position = 0
    return () => {
      const entry = entries.next()
      if (entry === undefined) return false
      const failures = this.#failedAllocations
      this.#runEntry(entry, waiting[position++])
      if (this.#failedAllocations !== failures) {
        throw new ClusterError('this node has not enough memory for what the log has')
      }
      if (entry.kind === 'expire' && entry.count === 0) {
        this.#parts.onTime(batch.node, batch.revision)
      }
      return true
    }
  }

  get #failedAllocations(): number {
    const own = this.#parts.server.stats.failedAllocations
    return own + this.#applier.server.stats.failedAllocations
  }

  #runEntry(entry: Entry, waiting: Waiting | undefined): void {
    const time = this.#parts.clock.reach(entry.time)
    if (waiting === undefined) this.#apply(entry, time)
    else if (waiting.kind === 'expire') {
      this.#apply(entry, time)
      waiting.done(true)
    } else if (waiting.kind === 'request') {
      const { client, args } = waiting
      const run = (): void => this.#runRequest(client, args, time)
      if (!this.#parts.answer(waiting, run)) this.#runFor(client, entry, time)
    } else {
      const { client } = waiting
      const run = (): void => this.#runExec(waiting, time)
      if (!this.#parts.answer(waiting, run)) this.#runFor(client, entry, time)
      waiting.resume()
    }
  }

  /** Runs an entry of a client that has gone. */
  #runFor(client: Client, entry: Entry, time: number): void {
    this.#apply(entry, time)
    if (entry.kind !== 'requests') return
    const requests = isExec(entry.requests) ? entry.requests.slice(1) : entry.requests
    for (const args of requests) this.#parts.dispatcher.noteRun(client, args)
  }

  #runRequest(client: Client, args: RequestArguments, time: number): void {
    this.#clock.stopAt(time)
    try {
      this.#parts.dispatcher.runOrdered(this.#standIn.of(client), args)
    } finally {
      this.#clock.goOn()
      this.#standIn.release()
    }
  }

  #runExec({ client, requests }: WaitingExec, time: number): void {
    this.#clock.stopAt(time)
    try {
      const isLate = this.#isLate(requests)
      client.watched?.clear()
      client.watched = undefined
      if (isLate) {
        client.reply.nullArray()
        endTransaction(client)
        return
      }
      this.#parts.dispatcher.runOrdered(client, EXEC)
    } finally {
      this.#clock.goOn()
      this.#standIn.release()
    }
  }

  #apply(entry: Entry, time: number): void {
    if (entry.kind !== 'requests' || !isExec(entry.requests)) {
      this.#applier.apply({ ...entry, time })
    } else if (!this.#isLateAt(entry.requests, time)) {
      this.#applier.applyTransaction({ time, requests: entry.requests.slice(1) })
    }
  }

  #isLateAt(requests: readonly RequestArguments[], time: number): boolean {
    this.#clock.stopAt(time)
    try {
      return this.#isLate(requests)
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
