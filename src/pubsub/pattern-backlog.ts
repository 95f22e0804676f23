/** One entry of the log may have keys compared with patterns for so long in one go, in milliseconds, about. */
const MAX_MS = 10
/** So many messages may wait to be compared; of more, each new one has the first compared. */
const MAX_WAITING = 50_000
/** After so long, in milliseconds, one client has to go, because nothing after the entry runs meanwhile. */
const MAX_LATE_MS = 2000

/**
 * Messages whose keys are still to be compared with patterns.
 *
 * In a group no RENAME of a directory may be refused for what clients of some node listen to, and each of its nodes is
 * compared with all patterns that have something in common with it. So it is done for some milliseconds at once, and
 * then bit by bit, before the next entry of the log, while others are served. If it takes very long, those with the
 * most patterns are disconnected, one after the other.
 */
export class PatternBacklog {
  /** Set where a log is run that calls {@link next} before each entry. Otherwise nothing is put off. */
  active = false
  #waiting: (() => void)[] = []
  #next = 0
  #spent = 0
  /** For how long what waits has been compared, since a client had to go. */
  #late = 0
  readonly #onLate: () => void

  /** @param onLate called when what waits has taken very long */
  constructor(onLate: () => void) {
    this.#onLate = onLate
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** Has a message compared with patterns and sent, now or later. @param compare does it, and must not throw */
  add(compare: () => void): void {
    if (this.isEmpty && this.#spent < MAX_MS) {
      const begun = performance.now()
      compare()
      this.#spent += performance.now() - begun
      return
    }
    this.#waiting.push(compare)
    if (this.#waiting.length - this.#next > MAX_WAITING) this.#compareNext()
  }

  /** Compares what waits first. Called before each entry. @returns false if nothing waits */
  next(): boolean {
    this.#spent = 0
    if (this.isEmpty) return false
    this.#compareNext()
    return true
  }

  /** Compares all that waits. */
  finish(): void {
    while (!this.isEmpty) this.#compareNext()
  }

  #compareNext(): void {
    const begun = performance.now()
    this.#waiting[this.#next++]()
    this.#late += performance.now() - begun
    if (this.#late >= MAX_LATE_MS) {
      this.#late = 0
      this.#onLate()
    }
    if (this.#next === this.#waiting.length) {
      this.#waiting = []
      this.#next = 0
      this.#late = 0
    } else if (this.#next > MAX_WAITING) {
      this.#waiting = this.#waiting.slice(this.#next)
      this.#next = 0
    }
  }
}
