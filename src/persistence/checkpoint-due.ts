import type { Changes } from '../store/tree/changes.ts'

/** A checkpoint is due when the journal has this many times the bytes that the last one has written. */
const MIN_GAIN = 4
/** The same while the journal is short: twice the disk, for half the work. */
const SHORT_JOURNAL_GAIN = 8
const SHORT_JOURNAL_BYTES = 1024 ** 3
/** A start applies this many entries in a few seconds, so a checkpoint is due whatever it costs. */
const MAX_ENTRIES = 2_000_000
/** The notes of so many removed nodes take some 45 MB. */
const MIN_REMOVALS = 250_000

/** Decides when the journal has grown so long that a checkpoint is due. */
export class CheckpointDue {
  /** Up to where in the journal the last checkpoint has everything. */
  position = 0
  /** How many entries there had been when the last checkpoint began. */
  entries = 0

  /**
   * @param written where the journal ends
   * @param entries how many there have been so far
   * @param maxBytes the length of the journal at which a checkpoint is due, if it is worth it
   * @param lastBytes what the last checkpoint has written
   */
  isDue(written: number, entries: number, maxBytes: number, lastBytes: number): boolean {
    const length = written - this.position
    if (length < maxBytes) return false
    const gain = length < SHORT_JOURNAL_BYTES ? SHORT_JOURNAL_GAIN : MIN_GAIN
    return length >= gain * lastBytes || entries - this.entries > MAX_ENTRIES
  }
}

/** Whether a checkpoint is due because the notes of removed nodes take more memory than the tree. */
export function areHeavy({ removals, tally }: Pick<Changes, 'removals' | 'tally'>): boolean {
  return removals > MIN_REMOVALS && removals > tally.count
}
