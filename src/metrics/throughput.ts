import { type Clock, elapsedOf } from '../store/clock.ts'
import type { ServerStats } from './counters.ts'

/** Averages per second. */
export interface Rates {
  readonly commands: number
  readonly inputBytes: number
  readonly outputBytes: number
}

/** Rates are measured again after this much time. */
const MIN_SPAN_MS = 1000

type Counts = Pick<ServerStats, 'commandsProcessed' | 'inputBytes' | 'outputBytes'>

/**
 * The rates `instantaneous_...` of Redis's INFO. They are measured when INFO asks, over the time since
 * they were last measured.
 */
export class Throughput {
  readonly #stats: Counts
  readonly #clock: Clock
  #at: number
  #counts: Counts
  #rates: Rates = { commands: 0, inputBytes: 0, outputBytes: 0 }

  constructor(stats: Counts, clock: Clock) {
    this.#stats = stats
    this.#clock = clock
    this.#at = elapsedOf(clock)
    this.#counts = { ...stats }
  }

  /** Measures the rates anew, or returns the last ones if they are less than a second old. */
  measure(): Rates {
    const now = elapsedOf(this.#clock)
    const elapsed = now - this.#at
    if (elapsed < MIN_SPAN_MS) return this.#rates
    // A count may have fallen, because CONFIG RESETSTAT sets the counts to 0.
    const rate = (name: keyof Counts): number =>
      (1000 * Math.max(0, this.#stats[name] - this.#counts[name])) / elapsed
    this.#rates = {
      commands: rate('commandsProcessed'),
      inputBytes: rate('inputBytes'),
      outputBytes: rate('outputBytes'),
    }
    const { commandsProcessed, inputBytes, outputBytes } = this.#stats
    this.#at = now
    this.#counts = { commandsProcessed, inputBytes, outputBytes }
    return this.#rates
  }
}
