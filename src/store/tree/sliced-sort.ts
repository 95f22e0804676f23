/** This many names are sorted in one step. */
const RUN = 512
/** This many names are merged in one step. */
const STEP = 8192

/**
 * Sorts names in steps, because a million names take seconds and others want to be served meanwhile:
 * first in short runs, which are then merged two by two.
 *
 *     d b a c │ h e g f     ─▶ a b c d │ e f g h     ─▶ a b c d e f g h
 */
export class SlicedSort {
  readonly #names: readonly string[]
  readonly #first: number
  /** Offsets of names, in runs of `#width` that are sorted. */
  #order: Uint32Array
  /** What the runs are merged into. */
  #merged: Uint32Array
  #width = RUN
  /** Where the next run to sort begins, or where the next merged offset goes. */
  #at = 0
  /** Whether runs are still to be sorted before they are merged. */
  #sortsRuns = true
  /** Where in each of the two runs that are merged the next offset is. */
  #left = 0
  #right = 0

  /** @param first position of the first name to sort @param count how many names */
  constructor(names: readonly string[], first: number, count: number) {
    this.#names = names
    this.#first = first
    this.#order = new Uint32Array(count)
    for (let i = 0; i < count; i++) this.#order[i] = i
    this.#merged = count > RUN ? new Uint32Array(count) : this.#order
  }

  /** The offset from the first name of the name in a place. All steps must be taken. */
  at(place: number): number {
    return this.#order[place]
  }

  /** Takes a step, if there is one to take. @returns whether the names are sorted */
  step(): boolean {
    if (this.#sortsRuns) this.#sortRun()
    else if (this.#width < this.#order.length) this.#merge()
    return !this.#sortsRuns && this.#width >= this.#order.length
  }

  #sortRun(): void {
    const order = this.#order
    const names = this.#names
    const first = this.#first
    const run = Array.from(order.subarray(this.#at, this.#at + RUN))
    run.sort((a, b) => (names[first + a] < names[first + b] ? -1 : 1))
    order.set(run, this.#at)
    this.#at += RUN
    if (this.#at < order.length) return
    this.#sortsRuns = false
    this.#at = 0
  }

  #merge(): void {
    const order = this.#order
    const merged = this.#merged
    const names = this.#names
    const first = this.#first
    const width = this.#width
    const { length } = order
    const stop = Math.min(length, this.#at + STEP)
    let at = this.#at
    let left = this.#left
    let right = this.#right
    while (at < stop) {
      const pair = at - (at % (2 * width))
      const leftEnd = Math.min(length, pair + width)
      const rightEnd = Math.min(length, pair + 2 * width)
      if (at === pair) {
        left = pair
        right = leftEnd
      }
      const end = Math.min(stop, rightEnd)
      for (; at < end; at++) {
        const takesLeft =
          right >= rightEnd ||
          (left < leftEnd && names[first + order[left]] < names[first + order[right]])
        merged[at] = takesLeft ? order[left++] : order[right++]
      }
    }
    this.#at = at
    this.#left = left
    this.#right = right
    if (at < length) return
    this.#order = merged
    this.#merged = order
    this.#width = 2 * width
    this.#at = 0
  }
}
