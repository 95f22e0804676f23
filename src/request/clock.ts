import { performance } from 'node:perf_hooks'
import type { Clock } from '../store/clock.ts'

/** While requests are served, the time of day is read again after so many milliseconds. */
const MAX_AGE = 0.25

/**
 * The server's time. Reading the machine's clocks costs as much as looking up a key, so that while
 * requests are served one reading does for several of them, as in Redis. It can be made to stand
 * still, too: within a transaction no time passes.
 */
export class ServerClock implements Clock {
  readonly #clock: Clock
  /** Unix milliseconds; -1 while each question reads the clock. */
  #read = -1
  /** When that was, of {@link lap}. */
  #readAt = 0
  /** Unix milliseconds; -1 while time goes on. */
  #stoppedAt = -1
  #lap = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    if (this.#stoppedAt >= 0) return this.#stoppedAt
    return this.#read >= 0 ? this.#read : this.#clock.now()
  }

  schedule(callback: () => void, delay: number): () => void {
    return this.#clock.schedule(callback, delay)
  }

  /** Runs an action for which time stands still. */
  stopFor(action: () => void): void {
    this.#stoppedAt = this.now()
    try {
      action()
    } finally {
      this.#stoppedAt = -1
    }
  }

  /** When the last request ended, in milliseconds since the process began. */
  get lastLap(): number {
    return this.#lap
  }

  /** Called before requests are served: time is read now, and with {@link lap}, until `end`. */
  begin(): void {
    this.#lap = this.#readAt = performance.now()
    this.#read = this.#clock.now()
  }

  /** Called after each request. @returns the moment, in milliseconds since the process began */
  lap(): number {
    const now = performance.now()
    this.#lap = now
    if (now - this.#readAt > MAX_AGE && this.#read >= 0) {
      this.#readAt = now
      this.#read = this.#clock.now()
    }
    return now
  }

  /** Called when the requests have been served. */
  end(): void {
    this.#read = -1
  }
}
