/** How long encoding a commit may hold up clients at a time, at first and later. */
const MIN_SLICE_MS = 2
const MAX_SLICE_MS = 8
/** Later slices go on growing, so that a commit ends under any load. */
const POLITE_SLICES = 100
/**
 * How often the commit's share grows. Busy clients and the commit get the same time at first; after
 * each interval the commit gets once more the time that clients get. Encoding a node takes less
 * time than the request that changed it, so the commit ends however much clients write.
 */
const RAISE_INTERVAL_MS = 200

/** Divides the time between clients and the slices of a commit that is being encoded. */
export class Pace {
  #slice = 0
  #started = performance.now()
  #clientsTime = 0

  /** Begins a slice, and returns when it must end. */
  nextEnd(): number {
    const slice = ++this.#slice
    const polite =
      slice < POLITE_SLICES
        ? Math.min(MIN_SLICE_MS + slice, MAX_SLICE_MS)
        : MAX_SLICE_MS + slice - POLITE_SLICES
    const now = performance.now()
    const share = 1 + (now - this.#started) / RAISE_INTERVAL_MS
    return now + Math.max(polite, this.#clientsTime * share)
  }

  /** Serves the requests that clients have sent by now. */
  async serveClients(): Promise<void> {
    const paused = performance.now()
    await new Promise<void>((resolve) => setImmediate(resolve))
    this.#clientsTime = performance.now() - paused
  }

  /** Starts to count anew, because nobody waits for the slices so far. */
  restart(): void {
    this.#started = performance.now()
  }
}
