/**
 * Waits until the store's index has reached a height. Those who wait for less come first, and of the
 * same height those who came first.
 */
export abstract class IndexWait {
  readonly index: number
  /** Where it is in the heap; -1 once it has ended. */
  position = -1
  order = 0

  constructor(index: number) {
    this.index = index
  }

  /** Called once, synchronously, when the index is reached; must not throw, and must not write. */
  abstract reached(): void
}

/**
 * Who waits until the store's index has reached a height. A write takes one comparison, however many
 * wait: a guard for each would be called, and made anew, at each write. A binary heap, the lowest on
 * top, because clients choose what they wait for, and in which order they come.
 */
export class IndexWaits {
  readonly #waits: IndexWait[] = []
  #added = 0
  /** The lowest index that somebody waits for; Infinity if nobody waits. */
  lowest = Number.POSITIVE_INFINITY

  /** @param wait one that is in no heap */
  add(wait: IndexWait): void {
    wait.order = this.#added++
    wait.position = this.#waits.push(wait) - 1
    this.#up(wait)
    this.lowest = this.#waits[0].index
  }

  /** Ends a wait; does nothing if it has ended. */
  remove(wait: IndexWait): void {
    if (wait.position === -1) return
    const last = this.#waits.pop() as IndexWait
    if (last !== wait) {
      this.#put(last, wait.position)
      this.#up(last)
      this.#down(last)
    }
    wait.position = -1
    this.lowest = this.#waits.length === 0 ? Number.POSITIVE_INFINITY : this.#waits[0].index
  }

  /** Ends all waits for an index up to this one, and calls those who wait. */
  reach(index: number): void {
    while (this.lowest <= index) {
      const wait = this.#waits[0]
      this.remove(wait)
      wait.reached()
    }
  }

  #put(wait: IndexWait, position: number): void {
    this.#waits[position] = wait
    wait.position = position
  }

  #up(wait: IndexWait): void {
    let { position } = wait
    while (position > 0) {
      const parent = (position - 1) >> 1
      if (!before(wait, this.#waits[parent])) break
      this.#put(this.#waits[parent], position)
      position = parent
    }
    this.#put(wait, position)
  }

  #down(wait: IndexWait): void {
    const { length } = this.#waits
    let { position } = wait
    for (;;) {
      let child = 2 * position + 1
      if (child >= length) break
      if (child + 1 < length && before(this.#waits[child + 1], this.#waits[child])) child++
      if (!before(this.#waits[child], wait)) break
      this.#put(this.#waits[child], position)
      position = child
    }
    this.#put(wait, position)
  }
}

function before(a: IndexWait, b: IndexWait): boolean {
  return a.index === b.index ? a.order < b.order : a.index < b.index
}
