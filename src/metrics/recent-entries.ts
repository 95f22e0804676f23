/** The last entries of a log, within limits on their number and on the memory that they take. */
export class RecentEntries<Entry> {
  readonly #bytesOf: (entry: Entry) => number
  readonly #maxBytes: number
  /** The oldest first, after as many places as have been dropped. */
  #entries: (Entry | undefined)[] = []
  #dropped = 0
  /** Memory that the entries take, about. */
  #bytes = 0

  /**
   * @param bytesOf the memory that an entry takes, about; the same whenever it is asked for
   * @param maxBytes the most memory that all may take, about, however many are allowed
   */
  constructor(bytesOf: (entry: Entry) => number, maxBytes: number) {
    this.#bytesOf = bytesOf
    this.#maxBytes = maxBytes
  }

  get length(): number {
    return this.#entries.length - this.#dropped
  }

  /** The newest entries, the newest first. @param count at most so many; Infinity for all */
  latest(count: number): Entry[] {
    const from = Math.max(this.#dropped, this.#entries.length - count)
    return (this.#entries.slice(from) as Entry[]).reverse()
  }

  /** An entry. It must be there. @param back how many are newer */
  at(back: number): Entry {
    return this.#entries[this.#entries.length - 1 - back] as Entry
  }

  /** Adds the newest entry. {@link trim} drops the oldest ones. */
  add(entry: Entry): void {
    this.#entries.push(entry)
    this.#bytes += this.#bytesOf(entry)
  }

  /** Takes an entry away. It must be there. @param back how many are newer */
  remove(back: number): Entry {
    const entry = this.at(back)
    if (back === 0) this.#entries.pop()
    else this.#entries.splice(-1 - back, 1)
    this.#bytes -= this.#bytesOf(entry)
    return entry
  }

  /** Drops the oldest entries that are too many, or take too much memory. */
  trim(most: number): void {
    const entries = this.#entries
    while (this.length > most || (this.#bytes > this.#maxBytes && this.length > 0)) {
      this.#bytes -= this.#bytesOf(entries[this.#dropped] as Entry)
      entries[this.#dropped++] = undefined
    }
    // All places move at once, but only after as many entries have come.
    if (this.#dropped <= entries.length / 2) return
    this.#entries = entries.slice(this.#dropped)
    this.#dropped = 0
  }

  /** Drops all entries. */
  clear(): void {
    this.#entries = []
    this.#dropped = 0
    this.#bytes = 0
  }
}
