/** The longest run of bytes. */
export const RUN_BYTES = 3
/** A run's number is its bytes, and above them how many there are. */
const LENGTH_BITS = 24
const FILTER_BYTES = 8192
/** So many of the bits of a product choose a bit of the filter: the upper ones, which depend on all bytes. */
const FILTER_SHIFT = 16
const MULTIPLIER = 0x9e_37_79_b1

/** The number of a run. @param bytes the last of which belong to it */
export function runNumber(bytes: number, length: number): number {
  return (length << LENGTH_BITS) | (bytes & ((1 << (8 * length)) - 1))
}

/**
 * What is kept under runs of one to three bytes, to be looked for at each byte of a text.
 *
 * Problem: almost nothing is found, and a Map takes 20 ns to say so, which is long for a text of thousands of bytes.
 * Trick: a filter of 8 KB has a bit for each run that is there. For most others the bit is not set.
 * Price: the memory; a bit stays when its run goes, until as many have gone as are there.
 * Can be deleted by asking the Map alone.
 */
export class RunMap<Value> {
  readonly #values = new Map<number, Value>()
  readonly #filter = new Uint8Array(FILTER_BYTES)
  /** How many runs of each length there are. */
  readonly #counts = [0, 0, 0, 0]
  #removed = 0

  get size(): number {
    return this.#values.size
  }

  get(run: number): Value | undefined {
    return this.#values.get(run)
  }

  /** What is kept under a run of a text. @param bytes the last of which belong to the run */
  find(bytes: number, length: number): Value | undefined {
    if (this.#counts[length] === 0) return undefined
    const run = runNumber(bytes, length)
    const bit = Math.imul(run, MULTIPLIER) >>> FILTER_SHIFT
    return (this.#filter[bit >> 3] & (1 << (bit & 7))) === 0 ? undefined : this.#values.get(run)
  }

  set(run: number, value: Value): void {
    if (!this.#values.has(run)) {
      this.#counts[run >> LENGTH_BITS]++
      this.#mark(run)
    }
    this.#values.set(run, value)
  }

  delete(run: number): void {
    if (!this.#values.delete(run)) return
    this.#counts[run >> LENGTH_BITS]--
    if (++this.#removed <= this.#values.size) return
    this.#removed = 0
    this.#filter.fill(0)
    for (const left of this.#values.keys()) this.#mark(left)
  }

  entries(): Iterable<[number, Value]> {
    return this.#values
  }

  #mark(run: number): void {
    const bit = Math.imul(run, MULTIPLIER) >>> FILTER_SHIFT
    this.#filter[bit >> 3] |= 1 << (bit & 7)
  }
}
