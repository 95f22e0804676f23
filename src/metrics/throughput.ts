import type { Clock } from '../store/clock.ts'
import type { ServerStats } from './counters.ts'

/** What the server does in a second. */
export interface Rates {
  readonly commands: number
  readonly inputBytes: number
  readonly outputBytes: number
}

/** For so many milliseconds the rates that have been measured last do. */
const SPAN = 1000

type Counts = Pick<ServerStats, 'commandsProcessed' | 'inputBytes' | 'outputBytes'>

/** Redis's `instantaneous_...` of INFO: measured when somebody asks, since somebody last did. */
export class Throughput {
  readonly #stats: Counts
  readonly #clock: Clock
  #at: number
  #counts: Counts
  #rates: Rates = { commands: 0, inputBytes: 0, outputBytes: 0 }

  constructor(stats: Counts, clock: Clock) {
    this.#stats = stats
    this.#clock = clock
    this.#at = clock.now()
    this.#counts = { ...stats }
  }

  /** @returns the averages of the last second, or of the time since it was last asked for */
  measure(): Rates {
    const now = this.#clock.now()
    const elapsed = now - this.#at
    if (elapsed < SPAN) return this.#rates
    // CONFIG RESETSTAT sets the counts back.
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
