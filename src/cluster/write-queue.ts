import type { Logger } from 'pino'
import { EntryWriter } from '../log/entry.ts'
import { asLogged } from '../request/ordered-rights.ts'
import { DEADLINE_EXCEEDED, EtcdError } from './etcd/etcd-error.ts'
import type { EtcdLog, LoggedBatch } from './etcd-log.ts'
import { Flight } from './flight.ts'
import type { Membership } from './membership.ts'
import { lengthOf, type Waiting } from './waiting.ts'

/** The most of a batch. One that is longer than this is a single request. */
const MAX_BATCH_BYTES = 512 * 1024
const MAX_BATCH_REQUESTS = 1024
/** After a failure the next attempt comes after this time, in milliseconds. */
const RETRY_MS = 50
/** One attempt may take this long, in milliseconds. */
const ATTEMPT_MS = 1000
/** A longer batch is given more time: a millisecond for so many bytes. */
const BYTES_PER_MS = 10_000
/** How long a batch may wait for the clients of the last one: this part of the time that the last one took, */
const GATHER_PART = 1 / 4
/** and at most this long, in milliseconds. */
const MAX_GATHER_MS = 5
/** How often those that have waited too long are looked for, in milliseconds. */
const SWEEP_MS = 100

export interface WriteQueueParts {
  readonly log: EtcdLog
  readonly logger: Logger
  /** The name to write under; waits while there is none. */
  membership(): Promise<Membership>
  /** The name is not valid any more. */
  lose(membership: Membership): void
  /** A batch is in the log. @param previous the revision of the one before it */
  onPut(batch: LoggedBatch, previous: number): void
  /** The requests have not been written, and will not be. @param reason why */
  refuse(requests: readonly Waiting[], reason: string): void
  /** The requests may have been written, or may still be. */
  doubt(requests: readonly Waiting[]): void
}

/**
 * Puts what clients write into the log, one batch at a time. A batch takes in all that has come while the
 * one before was on its way.
 */
export class WriteQueue {
  readonly #parts: WriteQueueParts
  readonly #writer = new EntryWriter()
  #waiting: Waiting[] = []
  /** Batches that are to be put, or have been put and are not applied, by name. */
  readonly #flights = new Map<string, Flight>()
  /** The number of the last batch under the present name. */
  #number = 0
  #numberOf: Membership | undefined
  #isRunning = false
  /** How many requests the next batch is likely to have, if it waits for them. */
  #expected = 0
  /** Until when it may wait, on the scale of `performance.now`. */
  #gatherUntil = 0
  /** Ends the wait for further requests. */
  #gathered: (() => void) | undefined
  #sweep: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(parts: WriteQueueParts) {
    this.#parts = parts
  }

  /** How many requests wait to be put into the log. */
  get length(): number {
    return this.#waiting.length
  }

  add(waiting: Waiting): void {
    if (this.#isClosed) return
    this.#waiting.push(waiting)
    if (this.#isRunning) {
      if (this.#waiting.length >= this.#expected) this.#gathered?.()
      return
    }
    this.#isRunning = true
    // The other requests of this turn go into the same batch.
    queueMicrotask(() => void this.#run())
    this.#sweep ??= setInterval(() => this.#sweepLate(), SWEEP_MS)
  }

  /** Notes a batch that the log has brought. @returns those that wait for it, if it is one of ours */
  landed({ node, number, record }: LoggedBatch): readonly Waiting[] {
    const id = idOf(node, number)
    const flight = this.#flights.get(id)
    if (flight === undefined) return []
    this.#flights.delete(id)
    flight.land()
    // A void: its clients have been told that the batch is in doubt.
    return record === undefined ? [] : flight.requests
  }

  /** The log has been cut: what has become of the batches on their way will not be known. */
  forget(): void {
    for (const flight of this.#flights.values()) {
      this.#doubt(flight)
      flight.land()
    }
    this.#flights.clear()
  }

  /** Ends it; what waits is forgotten. */
  close(): void {
    this.#isClosed = true
    clearInterval(this.#sweep)
    this.#waiting = []
    for (const flight of this.#flights.values()) flight.land()
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && !this.#isClosed) {
        await this.#gather()
        if (this.#isClosed) return
        const membership = await this.#parts.membership()
        const flight = this.#take(membership)
        if (flight === undefined) continue
        const { length } = flight.requests
        const start = performance.now()
        await this.#put(flight)
        const end = performance.now()
        this.#gatherUntil = end + Math.min((end - start) * GATHER_PART, MAX_GATHER_MS)
        // Its clients may ask again at once, and others have come meanwhile.
        this.#expected = Math.min(length + this.#waiting.length, MAX_BATCH_REQUESTS)
      }
    } catch (error) {
      if (!this.#isClosed)
        this.#parts.logger.error({ err: error }, 'cannot write to the log in etcd')
    } finally {
      this.#isRunning = false
    }
    if (this.#waiting.length === 0 && this.#flights.size === 0) {
      clearInterval(this.#sweep)
      this.#sweep = undefined
    }
  }

  /**
   * Waits a little for the clients of the last batch. Otherwise the first of them would get a batch of its
   * own, the others would come while that one is on its way, and all batches would be half as long.
   */
  async #gather(): Promise<void> {
    const ms = this.#gatherUntil - performance.now()
    if (ms <= 0 || this.#waiting.length >= this.#expected) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#gathered = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#gathered = undefined
  }

  /** Makes a batch of what waits. */
  #take(membership: Membership): Flight | undefined {
    if (membership !== this.#numberOf) {
      this.#numberOf = membership
      this.#number = 0
    }
    let bytes = 0
    let count = 0
    for (const waiting of this.#waiting) {
      if (count >= MAX_BATCH_REQUESTS || (count > 0 && bytes > MAX_BATCH_BYTES)) break
      count++
      bytes += this.#write(waiting)
    }
    if (count === 0) return
    const record = this.#writer.pieces(0)
    this.#writer.clear(true)
    const requests = this.#waiting.splice(0, count)
    const flight = new Flight(membership, ++this.#number, record, requests)
    this.#flights.set(idOf(membership.node, flight.number), flight)
    return flight
  }

  /** Puts a batch, or makes sure that it will never be there. */
  async #put(flight: Flight): Promise<void> {
    const { membership, number } = flight
    let record = flight.record
    const timeout = ATTEMPT_MS + lengthOf(record) / BYTES_PER_MS
    while (!flight.hasLanded && !this.#isClosed) {
      try {
        const onParts = (): void => this.#sendWhole(flight, record.length === 0)
        const put = this.#parts.log.put(membership, number, record, timeout, onParts)
        const outcome = await Promise.race([put, flight.landed])
        // The log has brought it, although the answer is lost.
        if (outcome === undefined) put.catch(() => {})
        else if (outcome.isThere) {
          flight.isPut = true
          const { revision, previous } = outcome
          const batch = { ...flight.name, revision, record: Buffer.concat(record) }
          if (previous !== undefined && record.length > 0) this.#parts.onPut(batch, previous)
        } else this.#takeBack(flight)
        return
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error
        if (!error.refused) flight.isDoubtful = true
        if (!flight.isDoubtful && (!error.isPassing || performance.now() > flight.deadline)) {
          this.#flights.delete(idOf(membership.node, number))
          this.#number--
          this.#parts.refuse(flight.requests, error.message)
          return
        }
        if (flight.isDoubtful && performance.now() > flight.deadline) {
          this.#doubt(flight)
          record = []
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
  }

  /**
   * The name is not valid any more, so the batch cannot come: it goes under another one. After a doubtful
   * attempt it may have been in the log, though, and have been cut off with it.
   */
  #takeBack(flight: Flight): void {
    this.#flights.delete(idOf(flight.membership.node, flight.number))
    if (flight.isDoubtful) this.#doubt(flight)
    else this.#waiting = [...flight.requests, ...this.#waiting]
    this.#parts.lose(flight.membership)
  }

  /** Called before a batch is sent whole. @throws EtcdError if its clients have been told that it will not be there */
  #sendWhole(flight: Flight, isVoid: boolean): void {
    if (flight.isRefused && !isVoid)
      throw new EtcdError('it came too late', DEADLINE_EXCEEDED, false)
    flight.isWhole = true
  }

  /** Answers those that wait for a batch in doubt. Parts alone are no batch. */
  #doubt(flight: Flight): void {
    const { requests, isWhole } = flight
    flight.requests = []
    if (requests.length === 0) return
    if (isWhole) {
      this.#parts.doubt(requests)
    } else {
      flight.isRefused = true
      this.#parts.refuse(requests, 'etcd did not take all parts of the write in time')
    }
  }

  /** Answers those that have waited too long. */
  #sweepLate(): void {
    const now = performance.now()
    const late: Waiting[] = []
    const inTime: Waiting[] = []
    for (const each of this.#waiting) (each.deadline > now ? inTime : late).push(each)
    if (late.length > 0) {
      this.#waiting = inTime
      this.#parts.refuse(late, 'etcd does not answer')
    }
    for (const flight of this.#flights.values()) {
      if (flight.deadline < now && (flight.isPut || flight.isDoubtful)) this.#doubt(flight)
    }
  }

  /** @returns its length, about, in bytes */
  #write(waiting: Waiting): number {
    const writer = this.#writer
    if (waiting.kind === 'expire') writer.expire(waiting.count, waiting.time)
    else if (waiting.kind === 'request') {
      writer.command(asLogged(waiting.args, waiting), waiting.time)
      return lengthOf(waiting.args)
    } else {
      writer.transaction(waiting.requests, waiting.time)
      let bytes = 0
      for (const args of waiting.requests) bytes += lengthOf(args)
      return bytes
    }
    return 1
  }
}

function idOf(node: string, number: number): string {
  return `${node}/${number}`
}
