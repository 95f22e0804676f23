import type { Logger } from 'pino'
import type { NodeCopies } from '../request/group.ts'
import type { Store } from '../store/store.ts'
import type { Value } from '../store/value.ts'
import { systemReason } from '../text/system-reason.ts'
import type { BatchQueue } from './batch-queue.ts'
import { ClusterError } from './cluster-error.ts'
import type { BatchName } from './keys.ts'
import type { LogClock } from './log-clock.ts'
import type { LengthSince } from './log-length.ts'
import type { OwnDirectory } from './own-directory.ts'
import type { RecentChanges } from './recent-changes.ts'
import type { SnapshotHead } from './snapshots.ts'

/** The last copy waits at most this long for the end of the batch that is being run, in milliseconds. */
const MAX_END_MS = 5000

/** The state after a batch of the log, to be read in pieces. */
export interface TreeAfterBatch {
  readonly head: Omit<SnapshotHead, 'format' | 'id' | 'parts'>
  /** The batch; unknown where a snapshot was the last. */
  readonly last: BatchName | undefined
  /** Made anew each time. */
  readonly pieces: Iterable<Value>
  /** How long the log was then. */
  readonly length: LengthSince
}

export interface CopiesParts {
  readonly batches: BatchQueue
  readonly store: Store
  readonly clock: LogClock
  readonly own: OwnDirectory
  readonly logger: Logger
  /** What EXECs depend on. */
  recent(): RecentChanges
  /** How long the log is. */
  length(): LengthSince
  /** Whether the tree may not be that of the log any more. */
  isBroken(): boolean
}

/** Copies a node's tree as it is after a batch of the log, and writes such copies to its own directory. */
export class Copies implements NodeCopies {
  readonly #parts: CopiesParts
  /** The copy that will be written and has not been taken: all who ask meanwhile share it. */
  #next: Promise<void> | undefined
  /** Resolves when the last copy that was asked for has been written, or could not be. */
  #written: Promise<void> = Promise.resolve()
  /** When the last one was taken that was written, on the scale of `performance.now`. */
  #keptAt = 0
  /** Of the batch that it was taken after. */
  #keptRevision: number | undefined
  #isRunning = false
  #lastSave: number
  #lastDuration: number | undefined
  #failure: string | undefined
  /** Gives up each that waits for the end of a batch. */
  readonly #takes = new Set<() => void>()
  /** Whether none waits for it any longer, because the node ends. */
  #isImpatient = false
  /** Whether the node ends without a copy of what it has. */
  #hasGivenUp = false

  constructor(parts: CopiesParts) {
    this.#parts = parts
    this.#lastSave = parts.clock.now()
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  get lastSave(): number {
    return this.#lastSave
  }

  get lastDuration(): number | undefined {
    return this.#lastDuration
  }

  get failure(): string | undefined {
    return this.#failure
  }

  /**
   * Waits for the end of the batch that is being run.
   *
   * @param onTake called at the moment that the copy shows
   * @throws ClusterError if the log cannot be run to there, or the node ends before
   */
  take(onTake = (): void => {}): Promise<TreeAfterBatch> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        if (this.#takes.delete(giveUp)) reject(new ClusterError('the node ends within a batch'))
      }
      this.#takes.add(giveUp)
      this.#parts.batches.whenBetween(() => {
        if (!this.#takes.delete(giveUp)) return
        onTake()
        try {
          resolve(this.#takeNow())
        } catch (error) {
          reject(error)
        }
      })
      if (this.#isImpatient) this.#giveUp()
    })
  }

  /**
   * Resolves when a copy is on the disk that has all that was applied before the call. One is written at a time, so
   * that a client that asks for many does not have the node keep as many.
   *
   * @throws ClusterError; the system's error if it cannot be written
   */
  save(): Promise<void> {
    if (this.#next !== undefined) return this.#next
    const next = this.#written.then(() => this.#save())
    this.#next = next
    this.#written = next.catch(() => {})
    return next
  }

  /** Like {@link save}, if there is something new, and not more often than this. @param interval in milliseconds */
  async saveSeldom(interval: number): Promise<void> {
    if (performance.now() - this.#keptAt < interval) return
    if (this.#parts.batches.position !== this.#keptRevision) await this.save()
  }

  /**
   * Like {@link save}, for a node that ends. A batch may take minutes, which none who ends a process waits for. The log has
   * what would be in the copy, so the former one stays then.
   *
   * @throws ClusterError; the system's error if it cannot be written
   */
  async saveLast(): Promise<void> {
    if (this.#hasGivenUp) return
    const timer = setTimeout(() => {
      this.#isImpatient = true
      this.#giveUp()
    }, MAX_END_MS)
    try {
      await this.saveSeldom(0)
    } catch (error) {
      if (this.#hasGivenUp) return
      // After SHUTDOWN the node goes on.
      this.#isImpatient = false
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  #giveUp(): void {
    if (this.#takes.size === 0) return
    this.#hasGivenUp = true
    this.#parts.logger.warn(
      'ends within a long batch of the log, without a new copy of the tree: the next start reads it from etcd',
    )
    for (const giveUp of this.#takes) giveUp()
  }

  async #save(): Promise<void> {
    const started = performance.now()
    this.#isRunning = true
    try {
      await this.#write()
      this.#failure = undefined
      this.#lastSave = this.#parts.clock.now()
      this.#lastDuration = performance.now() - started
    } catch (error) {
      this.#failure = systemReason(error)
      throw error
    } finally {
      this.#isRunning = false
    }
  }

  async #write(): Promise<void> {
    const { head, last, pieces, length } = await this.take(() => {
      // Who asks from now on may have made a write that is not in it.
      this.#next = undefined
    })
    if (last === undefined) return
    this.#keptAt = performance.now()
    await this.#parts.own.keep(head, last, pieces, length)
    this.#keptRevision = head.revision
  }

  #takeNow(): TreeAfterBatch {
    const { batches, clock, store } = this.#parts
    if (this.#parts.isBroken()) throw new ClusterError('the log cannot be run any further')
    const { count, recent } = this.#parts.recent()
    return {
      head: { revision: batches.position, time: clock.logTime, changes: count, recent },
      last: batches.last,
      pieces: store.snapshotCopy(),
      length: this.#parts.length(),
    }
  }
}
