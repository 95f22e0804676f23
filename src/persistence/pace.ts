/** How long writing a commit down may hold up clients at a time, in milliseconds. */
const SHORTEST_SLICE = 2
const LONGEST_SLICE = 8
/** After so many slices they go on growing: no load may keep the end out of reach. */
const PATIENCE = 100
/**
 * Clients that keep the server busy share it with the commit: in halves at first, and whenever so
 * many milliseconds have passed the commit gets once more what they get. To write a node down takes
 * less than the request that has changed it, and so the end comes near however much they write.
 */
const RAISE = 200

/** Divides the time between clients and a commit that is being written down in slices. */
export class Pace {
  #slice = 0
  #started = performance.now()
  #clientsTime = 0

  /** Begins a slice, and tells when it is to end. */
  nextEnd(): number {
    const slice = ++this.#slice
    const polite =
      slice < PATIENCE
        ? Math.min(SHORTEST_SLICE + slice, LONGEST_SLICE)
        : LONGEST_SLICE + slice - PATIENCE
    const now = performance.now()
    const share = 1 + (now - this.#started) / RAISE
    return now + Math.max(polite, this.#clientsTime * share)
  }

  /** Serves clients with all that has come from them by now. */
  async serveClients(): Promise<void> {
    const paused = performance.now()
    await new Promise<void>((resolve) => setImmediate(resolve))
    this.#clientsTime = performance.now() - paused
  }

  /** Counts the time from now on: what has been done so far nobody waits for. */
  restart(): void {
    this.#started = performance.now()
  }
}
