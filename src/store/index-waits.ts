/**
 * Who waits until the store's index has reached a height. A write takes one comparison, however many
 * wait: a guard for each would be called, and made anew, at each write.
 */
export class IndexWaits {
  /** Those who wait, by the index that they wait for. */
  readonly #waiting = new Map<number, Set<() => void>>()
  /** These indexes, the lowest first. */
  readonly #indexes: number[] = []
  /** The lowest of them; Infinity if nobody waits. */
  lowest = Number.POSITIVE_INFINITY

  /**
   * @param onReached called once, synchronously; must not throw, and must not write
   * @returns a function that ends the wait; does nothing if it has ended
   */
  add(index: number, onReached: () => void): () => void {
    let waiting = this.#waiting.get(index)
    if (waiting === undefined) {
      waiting = new Set()
      this.#waiting.set(index, waiting)
      this.#indexes.splice(this.#place(index), 0, index)
      this.lowest = this.#indexes[0]
    }
    const all = waiting
    all.add(onReached)
    return () => {
      if (all.delete(onReached) && all.size === 0 && this.#waiting.get(index) === all) {
        this.#waiting.delete(index)
        this.#indexes.splice(this.#place(index), 1)
        this.lowest = this.#indexes[0] ?? Number.POSITIVE_INFINITY
      }
    }
  }

  /** Calls those who wait for an index up to this one. */
  reach(index: number): void {
    const count = this.#place(index + 1)
    if (count === 0) return
    const reached = this.#indexes.splice(0, count)
    this.lowest = this.#indexes[0] ?? Number.POSITIVE_INFINITY
    for (const each of reached) {
      const waiting = this.#waiting.get(each)
      this.#waiting.delete(each)
      for (const onReached of waiting ?? []) onReached()
    }
  }

  /** How many of the indexes are lower. */
  #place(index: number): number {
    let low = 0
    let high = this.#indexes.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#indexes[middle] < index) low = middle + 1
      else high = middle
    }
    return low
  }
}
