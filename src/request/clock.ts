import { performance } from 'node:perf_hooks'
import type { Clock } from '../store/clock.ts'
import { type Accountable, guarded } from './guard.ts'

/** While requests are served, a reading of the time of day is used for at most this long. */
const MAX_AGE_MS = 0.25
/** Without a server, errors go to the event loop. */
const NO_SERVER: Accountable = {
  fail(error) {
    throw error
  },
}

/**
 * The server's time. While requests are served, several of them share one reading of the machine's
 * clock, as in Redis, because a reading costs as much as looking up a key. The time can also be
 * stopped, because no time passes within a transaction.
 */
export class ServerClock implements Clock {
  readonly #clock: Clock
  readonly #server: Accountable
  /** The shared reading, in Unix milliseconds; -1 while {@link now} reads the machine's clock. */
  #read = -1
  /** Time of the shared reading, in milliseconds since the process began. */
  #readAt = 0
  /** The time at which the clock stands, in Unix milliseconds; -1 while it runs. */
  #stoppedAt = -1
  /** Milliseconds since the process began. */
  #lap = 0

  /** @param server answers for errors of scheduled callbacks, if there is one */
  constructor(clock: Clock, server = NO_SERVER) {
    this.#clock = clock
    this.#server = server
  }

  now(): number {
    if (this.#stoppedAt >= 0) return this.#stoppedAt
    return this.#read >= 0 ? this.#read : this.#clock.now()
  }

  /** While requests are served, this is the reading that {@link now} goes back to. */
  elapsed(): number {
    if (this.#clock.elapsed !== undefined) return this.#clock.elapsed()
    return this.#read >= 0 ? this.#readAt : performance.now()
  }

  schedule(callback: () => void, delay: number): () => void {
    return this.#clock.schedule(guarded(this.#server, callback), delay)
  }

  /** Runs an action while the clock stands still. */
  stopFor(action: () => void): void {
    this.#stoppedAt = this.now()
    try {
      action()
    } finally {
      this.#stoppedAt = -1
    }
  }

  /** Stops the clock. @param time Unix milliseconds */
  stopAt(time: number): void {
    this.#stoppedAt = time
  }

  /** Lets the clock go on after {@link stopAt}. */
  goOn(): void {
    this.#stoppedAt = -1
  }

  /** End of the last request, in milliseconds since the process began. */
  get lastLap(): number {
    return this.#lap
  }

  /** Called before requests are served: until {@link end} they share readings of the clock. */
  begin(): void {
    this.#lap = this.#readAt = performance.now()
    this.#read = this.#clock.now()
  }

  /** Called after each request. @returns the present, in milliseconds since the process began */
  lap(): number {
    const now = performance.now()
    this.#lap = now
    if (now - this.#readAt > MAX_AGE_MS && this.#read >= 0) {
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
