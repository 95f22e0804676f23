import type { Clock } from '../store/clock.ts'

/** The server's time, which can be made to stand still: within a transaction no time passes. */
export class ServerClock implements Clock {
  readonly #clock: Clock
  /** Unix milliseconds; absent while time goes on. */
  #stoppedAt: number | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    return this.#stoppedAt ?? this.#clock.now()
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
      this.#stoppedAt = undefined
    }
  }
}
