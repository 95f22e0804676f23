import type { LoggedBatch } from './etcd-log.ts'

/** If there are more stretches, each two become one. */
const MAX_STRETCHES = 128

/** How long the log is since a cut. */
export interface LengthSince {
  /** The revision at which it was cut. */
  readonly cut: number
  readonly batches: number
  readonly bytes: number
}

/** Some batches that follow each other. */
interface Stretch {
  /** The revisions of the first and of the last of them. */
  first: number
  last: number
  batches: number
  bytes: number
}

/**
 * Counts what is in the log since it was cut, whichever node cuts it.
 *
 * A cut goes through the log at any batch, so what comes after each batch would have to be kept. Stretches of batches are kept
 * instead, and one that a cut goes through is divided in proportion: what is told is wrong by half a stretch at most.
 */
export class LogLength {
  /** In the order of the log. */
  #stretches: Stretch[] = []
  /** A stretch is given so many batches. */
  #batchesEach = 1
  #cut = 0
  #batches = 0
  #bytes = 0

  /** What is in the log, about. */
  get now(): LengthSince {
    return { cut: this.#cut, batches: this.#batches, bytes: this.#bytes }
  }

  /** Begins anew with a log that somebody has counted. @param last the revision of its last batch */
  beginWith({ cut, batches, bytes }: LengthSince, last: number): void {
    this.#cut = cut
    this.#batches = batches
    this.#bytes = bytes
    this.#batchesEach = 1
    this.#stretches =
      batches === 0 ? [] : [{ first: Math.min(cut + 1, last), last, batches, bytes }]
  }

  /** The next batch. Cheap. */
  add({ revision, record }: Pick<LoggedBatch, 'revision' | 'record'>): void {
    // A node that is behind runs what has been cut.
    if (revision <= this.#cut) return
    const bytes = record?.length ?? 0
    this.#batches++
    this.#bytes += bytes
    const end = this.#stretches.at(-1)
    if (end !== undefined && end.batches < this.#batchesEach) {
      end.last = revision
      end.batches++
      end.bytes += bytes
      return
    }
    this.#stretches.push({ first: revision, last: revision, batches: 1, bytes })
    if (this.#stretches.length > MAX_STRETCHES) this.#halve()
  }

  /** The log has been cut at a revision. Cheap if that is known. */
  cutAt(revision: number): void {
    if (revision <= this.#cut) return
    this.#cut = revision
    this.#batchesEach = 1
    const left = this.#stretches.filter(({ last }) => last > revision)
    if (left.length > 0) left[0] = after(left[0], revision)
    this.#stretches = left
    this.#batches = this.#bytes = 0
    for (const { batches, bytes } of left) {
      this.#batches += batches
      this.#bytes += bytes
    }
  }

  #halve(): void {
    const halved: Stretch[] = []
    for (let i = 0; i < this.#stretches.length; i += 2) {
      const [one, other] = this.#stretches.slice(i, i + 2)
      if (other !== undefined) {
        one.last = other.last
        one.batches += other.batches
        one.bytes += other.bytes
      }
      halved.push(one)
    }
    this.#stretches = halved
    this.#batchesEach *= 2
  }
}

/** The part of a stretch after a revision in it, about. */
function after({ first, last, batches, bytes }: Stretch, revision: number): Stretch {
  const share = Math.min(1, (last - revision) / (last - first + 1))
  return {
    first: Math.max(first, revision + 1),
    last,
    batches: Math.ceil(batches * share),
    bytes: Math.ceil(bytes * share),
  }
}
