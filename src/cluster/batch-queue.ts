import type { LoggedBatch } from './etcd-log.ts'
import type { BatchName } from './keys.ts'

/** Entries are run for this long in one turn, about: the last step of them may take longer. */
const SLICE_MS = 20
/** If more waits, in bytes, it is run in one go, because the log may bring faster than this node runs. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024

export interface BatchQueueParts {
  /** Begins a batch. @returns runs its next entry, or some of what comes before it; false if it has no more */
  begin(batch: LoggedBatch): () => boolean
  /** Batches have been run to their ends. */
  onRun(batches: readonly LoggedBatch[]): void
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
    if (this.isEmpty) this.#since = performance.now()
    for (const batch of batches) {
      this.#waiting.push({ batch, step: this.#parts.begin(batch) })
      this.#bytes += lengthOf(batch)
    }
    if (!this.#isScheduled) this.#slice()
  }

  /**
   * Calls back when the tree is what it is after a batch, and the position is that of this batch: at once, or when the
   * batch that has been begun has been run; also if it cannot be.
   */
  whenBetween(call: () => void): void {
    if (this.#isWithin) this.#betweenBatches.push(call)
    else call()
  }

  /** Runs all that waits. */
  finish(): void {
    this.#run(this.#waiting.length, Number.POSITIVE_INFINITY)
  }

  readonly #slice = (): void => {
    this.#isScheduled = false
    this.#run(this.#waiting.length, performance.now() + SLICE_MS)
    if (this.isEmpty) return
    this.#isScheduled = true
    setImmediate(this.#slice)
  }

  /** @param end when to stop, on the scale of `performance.now` */
  #run(count: number, end: number): void {
    const done: LoggedBatch[] = []
    try {
      while (done.length < count && this.#runUntil(end, this.#waiting[done.length].step)) {
        const { batch } = this.#waiting[done.length]
        this.#bytes -= lengthOf(batch)
        this.#position = batch.revision
        this.#last = batch
        done.push(batch)
        this.#callBetween()
      }
    } catch (error) {
      this.#waiting = []
      this.#parts.onBroken(error)
      this.#callBetween()
      return
    }
    this.#waiting.splice(0, done.length)
    if (done.length > 0) this.#parts.onRun(done)
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
    while (step()) if (this.#isOver(end)) return false
    return true
  }

  #isOver(end: number): boolean {
    return this.#bytes <= MAX_WAITING_BYTES && performance.now() >= end
  }
}

function lengthOf({ record }: LoggedBatch): number {
  return record?.length ?? 0
}
