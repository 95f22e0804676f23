import type { Changes } from '../store/tree/changes.ts'

/** A checkpoint is due when the journal has this many times the bytes that the last one has written. */
const MIN_GAIN = 4
/** The same while the journal is short: twice the disk, for half the work. */
const SHORT_JOURNAL_GAIN = 8
const SHORT_JOURNAL_BYTES = 1024 ** 3
/** A start applies this many entries in a few seconds, so a checkpoint is due whatever it costs. */
const MAX_ENTRIES = 2_000_000
/** The same of entries that copy or move much, though they are few and short: so many milliseconds, about. */
const MIN_WORK_MS = 1000
/** A checkpoint takes this long for each byte, so there are fewer of them while they are large. */
const WORK_MS_PER_BYTE = 0.000_02
const MAX_WORK_MS = 5000
/** The notes of so many removed nodes take some 45 MB. */
const MIN_REMOVALS = 250_000

/** Decides when the journal has grown so long that a checkpoint is due. */
export class CheckpointDue {
  /** Up to where in the journal the last checkpoint has everything. */
  position = 0
  readonly #work: () => number
  /** How many entries there had been when the last checkpoint began. */
  #entriesBefore = 0
  /** What {@link #work} had been then. */
  #workBefore = 0

  /** @param work how long a start would take to apply all entries so far, beside the time for each, in milliseconds, about */
  constructor(work: () => number = () => 0) {
    this.#work = work
  }

  /** Called when a checkpoint begins. @param entries how many there have been so far */
  begin(entries: number): void {
    this.#entriesBefore = entries
    this.#workBefore = this.#work()
  }

  /** Whether short entries have brought about so much work since the last checkpoint began that it takes a start long. */
  isLong(lastBytes: number): boolean {
    return this.#work() - this.#workBefore > mostWork(lastBytes)
  }

  /**
   * Whether the journal has become long.
   *
   * @param written where the journal ends
   * @param entries how many there have been so far
   * @param maxBytes the length of the journal at which a checkpoint is due, if it is worth it
   * @param lastBytes what the last checkpoint has written
   */
  isDue(written: number, entries: number, maxBytes: number, lastBytes: number): boolean {
    const length = written - this.position
    if (length < maxBytes) return false
    const gain = length < SHORT_JOURNAL_BYTES ? SHORT_JOURNAL_GAIN : MIN_GAIN
    return length >= gain * lastBytes || entries - this.#entriesBefore > MAX_ENTRIES
  }
}

/** How much work a start may have, in milliseconds. */
function mostWork(lastBytes: number): number {
  return Math.min(MAX_WORK_MS, Math.max(MIN_WORK_MS, lastBytes * WORK_MS_PER_BYTE))
}

/** Whether a checkpoint is due because the notes of removed nodes take more memory than the tree. */
export function areHeavy({ removals, tally }: Pick<Changes, 'removals' | 'tally'>): boolean {
  return removals > MIN_REMOVALS && removals > tally.count
}
