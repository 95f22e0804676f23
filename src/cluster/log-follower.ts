import type { Logger } from 'pino'
import { ClusterError, putBack } from './cluster-error.ts'
import type { Etcd, Stream } from './etcd/etcd.ts'
import { EtcdError } from './etcd/etcd-error.ts'
import { type KeyValue, PUT, type WatchResponse } from './etcd/types.ts'
import type { EtcdLog, LoggedBatch, Sight } from './etcd-log.ts'
import type { BatchName, Keys } from './keys.ts'
import { readLog } from './log-reader.ts'

/** Of etcd's WatchCreateRequest: leaves out deletions. */
const NO_DELETE = 1
/** How often the log's end is asked for, in milliseconds. */
const LOOK_MS = 500
/** After a failure a watch begins again after this time, in milliseconds. */
const RETRY_MS = 50
/** Batches handed over at a time while the log is read. */
const BATCHES_AT_ONCE = 256
/** Fewer if they are long, in bytes. */
const BYTES_AT_ONCE = 4 * 1024 * 1024
const NO_LOOK = { end: 0, position: -1 }

export interface FollowerEvents {
  /** Batches in the order of the log, each once. */
  onBatches(batches: readonly LoggedBatch[]): void
  /** The first batch of a node, a void, which the watch has brought after a later one was handed over. */
  onPassed(first: LoggedBatch): void
  /** Resolves when all that was handed over has been run. */
  whenRun(): Promise<void>
  /** The log has been cut after the position: loads a snapshot, and calls {@link LogFollower.beginAt}. */
  onCut(): Promise<void>
  /** Called twice a second with what etcd tells. */
  onSight(sight: Sight): void
  /** The node cannot go on: it cannot read the log, or the log has lost what the node has. */
  onBroken(error: unknown): void
}

/**
 * Reads the log from a revision on, to its end, and then follows it: by a watch, and by reading its keys
 * where the watch cannot go on because etcd has compacted what it needs.
 */
export class LogFollower {
  readonly #etcd: Etcd
  readonly #keys: Keys
  readonly #log: EtcdLog
  readonly #logger: Logger
  readonly #events: FollowerEvents
  /** The revision of the last batch that was handed over. */
  #position = 0
  /** Its name; undefined if a snapshot was the last. */
  #last: BatchName | undefined
  /** All before this revision has been handed over. */
  #next = 1
  #stream: Stream | undefined
  /** What the watch has brought, and is still to be handed over. */
  readonly #queue: KeyValue[] = []
  #isEmptying = false
  #isReloading = false
  #isHeld = false
  /** The log's end, as last heard. */
  #end = 0
  #heardAt = Number.NEGATIVE_INFINITY
  /** When the node has last had all that was in the log. */
  #completeAt = Number.NEGATIVE_INFINITY
  #lastLook = NO_LOOK
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(
    parts: { etcd: Etcd; keys: Keys; log: EtcdLog; logger: Logger },
    events: FollowerEvents,
  ) {
    this.#etcd = parts.etcd
    this.#keys = parts.keys
    this.#log = parts.log
    this.#logger = parts.logger
    this.#events = events
  }

  /** The revision of the last batch that was handed over. */
  get position(): number {
    return this.#position
  }

  /** The tree has all up to a revision. @param last the batch there; undefined if the tree is that of a snapshot */
  beginAt(position: number, last: BatchName | undefined): void {
    this.#position = position
    this.#last = last
  }

  /** The revision of the last batch in the log, as far as this node has heard. */
  get end(): number {
    return Math.max(this.#end, this.#position)
  }

  /** When etcd has last told the log's end, on the scale of `performance.now`. */
  get heardAt(): number {
    return this.#heardAt
  }

  /** When this node has last had all that was in the log, as far as it knows, on the same scale. */
  get completeAt(): number {
    return this.#completeAt
  }

  /** Hands over all that is in the log, then follows it. @throws ClusterError, EtcdError */
  async start(): Promise<void> {
    await this.load()
    this.#watch()
    this.#look()
  }

  /** Hands over all that is in the log, once. To be called before {@link start}. @throws ClusterError, EtcdError */
  load(): Promise<void> {
    return this.#load()
  }

  /** The log's end at some time after the call. @throws EtcdError; ClusterError if the log has been put back */
  async askEnd(): Promise<number> {
    return (await this.#ask(async () => ({ end: await this.#log.end() }))).end
  }

  /** Like {@link askEnd}, and sure that this node follows the log that is there. */
  #see(): Promise<Sight> {
    return this.#ask(() => this.#log.sight(this.#position, this.#last))
  }

  async #ask<Answer extends Pick<Sight, 'end'>>(question: () => Promise<Answer>): Promise<Answer> {
    const asked = performance.now()
    // What is heard while etcd is being asked may be later than its answer.
    const heard = this.#end
    let answer: Answer
    try {
      answer = await question()
      // The tail is never deleted, so it only goes back where etcd has been put back.
      if (answer.end < heard) throw putBack(heard)
    } catch (error) {
      if (error instanceof ClusterError) this.#break(error)
      throw error
    }
    const { end } = answer
    this.#end = Math.max(this.#end, end)
    // Behind a slow way the answer itself takes a second or more, and the node is not cut off.
    this.#heardAt = performance.now()
    if (end <= this.#position) this.#completeAt = Math.max(this.#completeAt, asked)
    return answer
  }

  /**
   * Hands over a batch before the watch brings it, if nothing comes between it and what was handed over, except first
   * batches of nodes.
   *
   * @param previous the revision of the batch before it
   */
  offer(batch: LoggedBatch, previous: number): void {
    if (previous > this.#position || this.#isEmptying || this.#stream === undefined) return
    if (this.#queue.length === 0) this.#hand([batch])
  }

  /** Has the log wait in etcd for now, or no longer, because so much of it has not been run. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    if (isHeld) this.#stream?.pause()
    else if (!this.#isEmptying) this.#stream?.resume()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#stream?.cancel()
    this.#stream = undefined
  }

  async #load(): Promise<void> {
    for (;;) {
      const { kvs, header } = await this.#etcd.range({ key: this.#keys.cut })
      const cut = Number(kvs[0]?.value.toString('latin1') ?? 0)
      if (cut > this.#position) {
        this.#queue.length = 0
        await this.#events.onCut()
        continue
      }
      try {
        await this.#readUntil(header.revision)
        return
      } catch (error) {
        // Compacted while it was read: what is left is read at a later revision.
        if (!isCompaction(error)) throw error
      }
    }
  }

  async #readUntil(revision: number): Promise<void> {
    let batches: LoggedBatch[] = []
    let bytes = 0
    for await (const kv of readLog(this.#etcd, this.#keys, revision, this.#position)) {
      if (this.#isClosed) return
      const batch = await this.#log.read(kv, revision)
      if (batch === undefined) continue
      batches.push(batch)
      bytes += batch.record?.length ?? 0
      if (batches.length < BATCHES_AT_ONCE && bytes < BYTES_AT_ONCE) continue
      this.#hand(batches)
      batches = []
      bytes = 0
      // Otherwise it would be read faster than it is run, and kept.
      await this.#events.whenRun()
    }
    this.#hand(batches)
    await this.#events.whenRun()
    this.#next = revision + 1
  }

  #watch(): void {
    if (this.#isClosed) return
    const stream = this.#etcd.watch(
      {
        ...this.#keys.log,
        start_revision: this.#next,
        filters: [NO_DELETE],
        fragment: true,
      },
      {
        onAnswer: (answer: WatchResponse) => {
          if (this.#stream === stream) this.#take(answer)
        },
        onEnd: (error) => {
          if (this.#stream === stream) this.#rewatch(error.message)
        },
      },
    )
    this.#stream = stream
    // It has yet to show whether it is silent.
    this.#lastLook = NO_LOOK
    if (this.#isHeld || this.#isEmptying) stream.pause()
  }

  #rewatch(reason: string): void {
    this.#stream?.cancel()
    this.#stream = undefined
    if (this.#isClosed) return
    this.#logger.debug({ reason }, 'watching the log of etcd again')
    setTimeout(() => void this.#watchAgain(reason), RETRY_MS)
  }

  /** etcd may have been put back while it did not answer, and what it takes since must not be handed over. */
  async #watchAgain(reason: string): Promise<void> {
    try {
      await this.#see()
    } catch {
      if (this.#stream === undefined && !this.#isReloading) this.#rewatch(reason)
      return
    }
    if (this.#stream === undefined && !this.#isReloading) this.#watch()
  }

  /** Nothing more is handed over. */
  #break(error: unknown): void {
    if (this.#isClosed) return
    this.close()
    this.#events.onBroken(error)
  }

  #take(answer: WatchResponse): void {
    if (answer.canceled) {
      if (answer.compact_revision > 0) void this.#reload()
      else this.#rewatch(answer.cancel_reason)
      return
    }
    for (const { type, kv } of answer.events) if (type === PUT) this.#queue.push(kv)
    if (!this.#isEmptying) this.#handQueue()
  }

  /** Reads the log's keys, because etcd has compacted what the watch would have to bring. */
  async #reload(): Promise<void> {
    if (this.#isReloading || this.#isClosed) return
    this.#isReloading = true
    this.#stream?.cancel()
    this.#stream = undefined
    try {
      await this.#emptied()
      await this.#load()
    } catch (error) {
      if (!this.#isClosed) this.#events.onBroken(error)
      return
    } finally {
      this.#isReloading = false
    }
    await this.#watchAgain('the log has been read')
  }

  /** Hands over what can be without waiting. */
  #handQueue(): void {
    const batches: LoggedBatch[] = []
    let waits = false
    try {
      for (; this.#queue.length > 0 && !waits; ) {
        const batch = this.#log.readNow(this.#queue[0])
        waits = batch === 'parts'
        if (batch === 'parts') break
        this.#queue.shift()
        if (batch !== undefined) batches.push(batch)
      }
      this.#hand(batches)
    } catch (error) {
      this.#events.onBroken(error)
      return
    }
    if (waits) void this.#emptied()
  }

  /** Hands over all that is in the queue, reading the parts of long batches from etcd. */
  async #emptied(): Promise<void> {
    if (this.#isEmptying) return
    this.#isEmptying = true
    // Otherwise what comes meanwhile would be kept, for as long as etcd does not give the parts.
    this.#stream?.pause()
    let isCompacted = false
    try {
      for (let kv = this.#queue.shift(); kv !== undefined; kv = this.#queue.shift()) {
        // The parts are there at that revision, also if the log has been cut since.
        const batch = await this.#log.read(kv, kv.mod_revision)
        if (this.#isClosed) return
        if (batch !== undefined) this.#hand([batch])
        if (this.#isHeld) await this.#events.whenRun()
      }
    } catch (error) {
      isCompacted = isCompaction(error)
      if (!isCompacted && !this.#isClosed) this.#events.onBroken(error)
    } finally {
      this.#isEmptying = false
      if (!this.#isHeld) this.#stream?.resume()
    }
    if (!isCompacted) return
    // What has been taken out of the queue is read with the rest of the log.
    this.#queue.length = 0
    void this.#reload()
  }

  #hand(batches: readonly LoggedBatch[]): void {
    const fresh = batches.filter(({ revision }) => revision > this.#position)
    if (fresh.length < batches.length) this.#noteFirsts(batches)
    if (fresh.length === 0) return
    const last = fresh[fresh.length - 1]
    this.#position = last.revision
    // Without its record, which may be long.
    this.#last = { node: last.node, number: last.number }
    this.#next = this.#position + 1
    if (this.#position >= this.#end) this.#completeAt = performance.now()
    this.#events.onBatches(fresh)
  }

  /** {@link offer} cannot see the first batch of a node, because that one does not put the tail. */
  #noteFirsts(batches: readonly LoggedBatch[]): void {
    for (const batch of batches) {
      if (batch.number === 0 && batch.revision <= this.#position) this.#events.onPassed(batch)
    }
  }

  /** Asks for the log's end now and then, because a watch may have fallen silent. */
  #look(): void {
    this.#timer = setTimeout(async () => {
      const stream = this.#stream
      try {
        const sight = await this.#see()
        // One that has begun meanwhile may not have had the time that this answer has taken.
        if (stream === this.#stream) this.#notice()
        if (!this.#isClosed) this.#events.onSight(sight)
      } catch {
        // The next look may succeed; until then the node is stale.
      }
      if (!this.#isClosed) this.#look()
    }, LOOK_MS)
  }

  /** Watches at another member if this one has not brought what was there at the last look. */
  #notice(): void {
    const { end, position } = this.#lastLook
    this.#lastLook = { end: this.#end, position: this.#position }
    const isSilent = end > this.#position && position === this.#position && !this.#isEmptying
    if (!isSilent || this.#isHeld || this.#stream === undefined) return
    this.#etcd.rotate()
    this.#rewatch('it was silent')
  }
}

function isCompaction(error: unknown): boolean {
  return error instanceof EtcdError && /compacted/.test(error.message)
}
