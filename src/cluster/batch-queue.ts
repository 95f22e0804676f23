import { ClusterError } from './cluster-error.ts'
import type { LoggedBatch } from './etcd-log.ts'
import type { BatchName } from './keys.ts'

/** Entries are run for this long in one turn, about: the last step of them may take longer. */
const SLICE_MS = 20
/** If more waits, in bytes, nothing further is to come until half of it has been run. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024
/** Then slices are longer, because the log brings faster than this node runs. */
const FULL_SLICE_MS = 100

export interface BatchQueueParts {
  /** Begins a batch. @returns runs its next entry, or some of what comes before it; false if it has no more */
  begin(batch: LoggedBatch): () => boolean
  /** Batches have been run to their ends. */
  onRun(batches: readonly LoggedBatch[]): void
  /** So much waits that no more should come, or not any longer. */
  onFull(isFull: boolean): void
  /** An entry cannot be run: nothing after it will be. */
  onBroken(error: unknown): void
}

/**
 * Runs the batches of the log in order. A short pipeline of long writes (RENAME of a directory, SETRANGE of a
 * byte in a long value) takes seconds at all nodes, so entries are run in slices, and others are served in
 * between. What is quick is run at once.
 */
export class BatchQueue {
  readonly #parts: BatchQueueParts
  #waiting: { readonly batch: LoggedBatch; readonly step: () => boolean }[] = []
  #bytes = 0
  /** Since when something has waited, on the scale of `performance.now`. */
  #since = 0
  #isScheduled = false
  #isRunning = false
  #isFull = false
  #isStopped = false
  /** Whether the first that waits has been begun, and not run to its end. */
  #isWithin = false
  /** Called between two batches. */
  #betweenBatches: (() => void)[] = []
  #position = 0
  #last: BatchName | undefined

  constructor(parts: BatchQueueParts) {
    this.#parts = parts
  }

  /** The revision of the last batch that has been run. */
  get position(): number {
    return this.#position
  }

  /** That batch; unknown where a snapshot was the last. */
  get last(): BatchName | undefined {
    return this.#last
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** For how long it has not been empty, in milliseconds. */
  get lag(): number {
    return this.isEmpty ? 0 : performance.now() - this.#since
  }

  /** The tree has all up to a revision. @param last the batch there, if it is known */
  beginAt(position: number, last: BatchName | undefined): void {
    this.#position = position
    this.#last = last
  }

  add(batches: readonly LoggedBatch[]): void {
    if (this.#isStopped) return
    if (this.isEmpty) this.#since = performance.now()
    for (const batch of batches) {
      this.#waiting.push({ batch, step: this.#parts.begin(batch) })
      this.#bytes += lengthOf(batch)
    }
    this.#noteFull()
    if (!this.#isScheduled && !this.#isRunning) this.#slice()
  }

  /**
   * Calls back when the tree is what it is after a batch, and the position is that of this batch: at once, or when the
   * batch that has been begun has been run; also if it cannot be.
   */
  whenBetween(call: () => void): void {
    if (this.#isWithin) this.#betweenBatches.push(call)
    else call()
  }

  /** Leaves out what waits, except the rest of a batch that has been begun. */
  drop(): void {
    this.#waiting.length = Math.min(this.#waiting.length, this.#isWithin ? 1 : 0)
  }

  /** Runs nothing more, and calls nobody back. */
  stop(): void {
    this.#isStopped = true
    this.#waiting = []
    this.#betweenBatches = []
  }

  readonly #slice = (): void => {
    this.#isScheduled = false
    this.#run(performance.now() + (this.#isFull ? FULL_SLICE_MS : SLICE_MS))
    if (this.isEmpty) return
    this.#isScheduled = true
    setImmediate(this.#slice)
  }

  /**
   * @param end when to stop, on the scale of `performance.now`
   * @throws ClusterError if it is called by what it runs, because the log has an order
   */
  #run(end: number): void {
    if (this.#isRunning) throw new ClusterError('the log is being run')
    this.#isRunning = true
    const done: LoggedBatch[] = []
    try {
      for (const { batch, step } of this.#waiting) {
        if (!this.#runUntil(end, step)) break
        this.#bytes -= lengthOf(batch)
        this.#position = batch.revision
        this.#last = batch
        done.push(batch)
        this.#callBetween()
      }
    } catch (error) {
      this.#isStopped = true
      this.#waiting = []
      this.#parts.onBroken(error)
      this.#callBetween()
      return
    } finally {
      this.#isRunning = false
    }
    this.#waiting.splice(0, done.length)
    this.#noteFull()
    if (done.length > 0) this.#parts.onRun(done)
  }

  /** Full until half of it has been run, so that the log is not held back and let go for each batch. */
  #noteFull(): void {
    const isFull = this.#bytes > (this.#isFull ? MAX_WAITING_BYTES / 2 : MAX_WAITING_BYTES)
    if (isFull === this.#isFull) return
    this.#isFull = isFull
    this.#parts.onFull(isFull)
  }

  #callBetween(): void {
    this.#isWithin = false
    if (this.#betweenBatches.length === 0) return
    const calls = this.#betweenBatches
    this.#betweenBatches = []
    for (const call of calls) call()
  }

  /** @returns whether the batch has no more entries */
  #runUntil(end: number, step: () => boolean): boolean {
    this.#isWithin = true
    while (step()) if (performance.now() >= end) return false
    return true
  }
}

function lengthOf({ record }: LoggedBatch): number {
  return record?.length ?? 0
}
