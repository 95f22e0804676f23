import { type Client, endTransaction } from '../request/client.ts'
import type { Denial } from '../request/denial.ts'
import type { Gate } from '../request/gate.ts'
import { withinRoom } from '../request/ordered-rights.ts'
import { bytesOfRequest, type Transaction } from '../request/transaction.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import { Crowd, type Line } from './crowd.ts'
import { PLAIN_EXEC, watchedExec } from './exec-entry.ts'
import type { LogClock } from './log-clock.ts'
import { LongMoves } from './long-moves.ts'
import type { ReadBarrier } from './read-barrier.ts'
import { ReplyOrder } from './reply-order.ts'
import type { Waiting, WaitingClient, WaitingExec, WaitingRequest } from './waiting.ts'

/** A client with more requests on their way, or longer ones, waits until all of them are replied to. */
const MAX_OWED = 2000
const MAX_OWED_BYTES = 4 * 1024 * 1024

export interface LogGateParts {
  readonly clock: LogClock
  /** Whether this node knows the group's time, and so may take writes. */
  isReady(): boolean
  /** Whether this node is in the list of nodes. */
  hasPlace(): boolean
  /** How many changes this node has applied. */
  changes(): number
  /** How long a client waits for the log, in milliseconds. */
  timeout(): number
  /** The requests of a transaction that the log has to put in order; undefined if it has been refused. */
  takeOrdered(client: Client, transaction: Transaction): RequestArguments[] | undefined
  /** Why a client may not make a request if a directory stands there by the time that it runs. */
  deniedBelow(client: Client, args: RequestArguments): Denial | undefined
  /** Gives a request a place in the log. */
  add(waiting: Waiting): void
  /** What a request takes until it has been run, and what it may add to the tree, in bytes, about. */
  takes(args: RequestArguments): number
  /** The same of an EXEC. Notes in the transaction how long the values may be that it copies. */
  takesExec(transaction: Transaction): number
  /** How long the value may be that a request copies; undefined if it copies none. */
  copyBound(args: RequestArguments): number | undefined
  /** How long a request takes because it moves a directory, in milliseconds: see `movedTime`. */
  movedTime(args: RequestArguments): number | undefined
  /** How many nodes the tree may have when these requests run; undefined if that does not matter. */
  mostNodes(requests: readonly RequestArguments[]): number | undefined
  /** The limit of the process's heap, in bytes. */
  readonly heapLimit: number
  /** Whether reads are to be linearizable. */
  isStrict(): boolean
  /** Whether a request reads the tree. */
  isRead(args: RequestArguments): boolean
  readonly barrier: ReadBarrier
}

interface Learnt {
  /** How many bytes the client had sent when etcd was asked. */
  readonly received: number
  /** Why its reads must not go on. */
  readonly failure: string | undefined
}

/**
 * The gate of a group: requests that write wait for their place in the log, and the client's other
 * requests for those. A client may send several writes at once; they keep their order.
 */
export class LogGate implements Gate {
  readonly #parts: LogGateParts
  /** Lets those go on whose later requests wait. */
  readonly #waiting = new Map<Client, () => void>()
  /** Lets those go on whose write waits until this node is ready. */
  readonly #early = new Set<() => void>()
  readonly #crowd: Crowd
  readonly #moves: LongMoves
  readonly #order = new ReplyOrder()
  /** The reads that have waited for the log, and go on soon. No other request of the client may go on in their place. */
  readonly #ready = new WeakMap<Client, RequestArguments>()
  /** Whose write has waited too long for this node to be ready, and what had been received by then, once it is refused. */
  readonly #tooEarly = new WeakMap<Client, number | undefined>()
  /** What the last read of a client has learnt: it holds for all that was received when it asked. */
  readonly #learnt = new WeakMap<Client, Learnt>()

  constructor(parts: LogGateParts) {
    this.#parts = parts
    this.#crowd = new Crowd(parts.heapLimit)
    this.#moves = new LongMoves((args) => parts.movedTime(args))
  }

  holds(client: Client, args: RequestArguments, mayWrite: boolean): boolean {
    const { transaction } = client
    const isQueued = transaction !== undefined && args[0].toLowerCase() !== 'exec'
    if (!mayWrite || isQueued) {
      if (client.owed > 0) return this.#holdBack(client, args)
      return !isQueued && this.#parts.isStrict() && this.#holdsRead(client, args)
    }
    if (!this.#parts.isReady())
      return this.#refuseEarly(client) || this.#holdUntilReady(client, args)
    if (client.owed >= MAX_OWED || client.owedBytes >= MAX_OWED_BYTES) {
      return this.#holdBack(client, args)
    }
    if (transaction !== undefined) return this.#takeExec(client, args)
    const copyBound = this.#parts.copyBound(args)
    // What it copies may be what the client's other requests have written.
    if (copyBound !== undefined && client.owed > 0) return this.#holdBack(client, args)
    if (client.owed > 0 && this.#moves.mustWait(client, args)) return this.#holdBack(client, args)
    const bytes = this.#parts.takes(args)
    const line = this.#crowd.lineFor(client, bytes)
    if (line !== undefined) return this.#holdInCrowd(client, args, bytes, line)
    const muted = client.reply.muted
    const deniedBelow = this.#parts.deniedBelow(client, args)
    const mostNodes = this.#crowd.isLong(bytes) ? this.#parts.mostNodes([args]) : undefined
    const conditions = { deniedBelow, copyBound, mostNodes }
    this.#moves.begin(client, args)
    this.#owe(
      { kind: 'request', client, muted, args, ...conditions, bytes, ...this.#timed() },
      bytesOfRequest(args),
    )
    return true
  }

  /**
   * Has a client get a reply that it is owed.
   *
   * @returns false if the client has gone
   */
  answer(waiting: WaitingClient, run: () => void): boolean {
    const isThere = this.#reply(waiting, run)
    this.#order.catchUp(waiting.client)
    return isThere
  }

  #reply(waiting: WaitingClient, run: () => void): boolean {
    const { client, muted, bytes } = waiting
    this.#order.remove(waiting)
    this.#crowd.end(bytes)
    // A client that has half-closed is closed with the last reply, and not while it has more to ask.
    const isLast = client.owed === 1 && !client.blocked
    if (isLast) client.owed = 0
    const isThere = client.answer(muted, run)
    if (!isLast) client.owed--
    if (client.owed === 0) {
      client.owedBytes = 0
      this.#moves.settle(client)
      const resume = this.#waiting.get(client)
      this.#waiting.delete(client)
      resume?.()
      client.onSettled?.()
    }
    this.#crowd.admit()
    return isThere
  }

  /** Answers requests that are not in the log, or may not be. */
  refuse(requests: readonly Waiting[], error: string): void {
    for (const waiting of requests) {
      if (waiting.kind === 'expire') {
        waiting.done(false)
        continue
      }
      const { client } = waiting
      this.#order.reply(waiting, () => {
        this.#reply(waiting, () => client.reply.error(error))
        if (waiting.kind === 'exec') {
          endTransaction(client)
          waiting.resume()
        }
      })
    }
  }

  /** Takes the writes that have waited until this node was ready. */
  release(): void {
    const early = [...this.#early]
    this.#early.clear()
    for (const goOn of early) goOn()
  }

  /**
   * Gives a request a place in the log.
   *
   * @param kept what the client keeps for it meanwhile, in bytes: not what the tree may come to have by it
   */
  #owe(waiting: WaitingRequest | WaitingExec, kept: number): void {
    const { client } = waiting
    client.owed++
    client.owedBytes += kept
    this.#crowd.begin(waiting.client, waiting.bytes)
    this.#order.add(waiting)
    this.#parts.add(waiting)
  }

  /** Holds a write until this node is ready; while it has no place among the nodes, as long as a write may wait. */
  #holdUntilReady(client: Client, args: RequestArguments): true {
    const forget = (): void => {
      clearInterval(timer)
      this.#early.delete(goOn)
    }
    const resume = this.#hold(client, args, forget)
    const goOn = (): void => {
      forget()
      resume()
    }
    const timer = setInterval(() => {
      // With a place it is ready as soon as the others have told their time, which takes no longer than a bounded time.
      if (this.#parts.hasPlace()) return
      this.#tooEarly.set(client, undefined)
      goOn()
    }, this.#parts.timeout())
    timer.unref()
    this.#early.add(goOn)
    return true
  }

  /** Refuses a write that has waited too long, and those that the client had sent by then. @returns false if it may wait */
  #refuseEarly(client: Client): boolean {
    if (!this.#tooEarly.has(client)) return false
    const received = this.#tooEarly.get(client) ?? client.receivedBytes
    if (received !== client.receivedBytes) return false
    this.#tooEarly.set(client, received)
    endTransaction(client)
    client.reply.error('CLUSTERDOWN this node has no place among the nodes yet')
    return true
  }

  #holdInCrowd(client: Client, args: RequestArguments, bytes: number, line: Line): true {
    const onGone = (): void => this.#crowd.leave(line, goOn)
    // When it goes on it may be refused, or its client be gone, or have to read first; then it waits anew.
    const resume = this.#hold(client, args, onGone, () => this.#crowd.giveBack(client))
    const goOn = (): void => {
      if (!client.unread.waits) this.#crowd.keepRoom(client, bytes)
      resume()
    }
    line.set(goOn, bytes)
    return true
  }

  /**
   * @param onGone called if the client goes meanwhile
   * @param onOver called when it has gone on, or its client has gone
   * @returns lets it go on
   */
  #hold(
    client: Client,
    args: RequestArguments,
    onGone: () => void,
    onOver?: () => void,
  ): () => void {
    // It is owed a reply, so it may half-close meanwhile.
    client.owed++
    const release = (): void => {
      client.owed--
      if (client.owed === 0) client.owedBytes = 0
    }
    const left = (): void => {
      onGone()
      release()
    }
    const resume = client.postpone(args, left, onOver)
    return () => {
      release()
      resume()
    }
  }

  #holdsRead(client: Client, args: RequestArguments): boolean {
    if (client.transaction === undefined && !this.#parts.isRead(args)) return false
    const learnt = this.#learnt.get(client)
    const received = client.receivedBytes
    const isReady = this.#ready.get(client) === args
    this.#ready.delete(client)
    if (learnt !== undefined && (isReady || learnt.received === received)) {
      if (learnt.failure === undefined) return false
      endTransaction(client)
      client.reply.error(`CLUSTERDOWN ${learnt.failure}`)
      return true
    }
    let isGone = false
    // It is owed a reply, so it may half-close meanwhile.
    client.owed++
    const onGone = (): void => {
      isGone = true
    }
    const resume = client.postpone(args, onGone, () => this.#ready.delete(client))
    this.#parts.barrier.add((failure) => {
      client.owed--
      if (isGone) return
      this.#learnt.set(client, { received, failure })
      this.#ready.set(client, args)
      resume()
    })
    return true
  }

  #holdBack(client: Client, args: RequestArguments): boolean {
    const resume = client.postpone(args, () => this.#waiting.delete(client))
    this.#waiting.set(client, resume)
    return true
  }

  #takeExec(client: Client, args: RequestArguments): boolean {
    if (client.owed > 0) return this.#holdBack(client, args)
    const { transaction, watched } = client
    // Here EXEC does nothing, or is refused.
    if (transaction === undefined || transaction.failed || watched?.check() === true) return false
    const bytes = this.#parts.takesExec(transaction)
    const line = this.#crowd.lineFor(client, bytes)
    if (line !== undefined) return this.#holdInCrowd(client, args, bytes, line)
    const requests = this.#parts.takeOrdered(client, transaction)
    if (requests === undefined) return true
    const head = watched === undefined ? PLAIN_EXEC : watchedExec(watched, this.#parts.changes())
    const most = this.#crowd.isLong(bytes) ? this.#parts.mostNodes(transaction.requests) : undefined
    requests.unshift(most === undefined ? head : withinRoom(head, most))
    const muted = client.reply.muted
    const resume = client.block(() => {})
    this.#owe(
      { kind: 'exec', client, muted, transaction, requests, bytes, resume, ...this.#timed() },
      // The client's queue is counted already.
      0,
    )
    return true
  }

  #timed(): { time: number; deadline: number } {
    const { clock, timeout } = this.#parts
    return { time: clock.now(), deadline: performance.now() + timeout() }
  }
}
