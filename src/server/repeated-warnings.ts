import type { Logger } from 'pino'
import type { Clock } from '../store/clock.ts'

/** The pause between two lines of one message. */
const INTERVAL_MS = 60_000

/** What has been warned of since the last line. */
interface Unsaid {
  /** What the line says of the last one. */
  facts: object
  count: number
  /** Cancels the next line. */
  cancel: () => void
}

/**
 * Warnings that somebody without a password can cause as often as they like, and so fill the disk of the log: of each
 * message the first has a line at once, and later ones have one together, once a minute, with their number.
 */
export class RepeatedWarnings {
  readonly #clock: Clock
  readonly #logger: Logger
  /** By message. */
  readonly #unsaid = new Map<string, Unsaid>()

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
  }

  /**
   * Warns.
   *
   * @param facts of many the line has those of the last
   * @param message one of a few
   */
  warn(facts: object, message: string): void {
    const unsaid = this.#unsaid.get(message)
    if (unsaid !== undefined) {
      unsaid.facts = facts
      unsaid.count++
      return
    }
    this.#logger.warn(facts, message)
    this.#unsaid.set(message, { facts, count: 0, cancel: this.#schedule(message) })
  }

  /** Says what is left. */
  end(): void {
    for (const [message, unsaid] of this.#unsaid) {
      unsaid.cancel()
      this.#say(message, unsaid)
    }
    this.#unsaid.clear()
  }

  #schedule(message: string): () => void {
    return this.#clock.schedule(() => {
      const unsaid = this.#unsaid.get(message)
      if (unsaid === undefined) return
      if (unsaid.count === 0) {
        this.#unsaid.delete(message)
        return
      }
      this.#say(message, unsaid)
      unsaid.count = 0
      unsaid.cancel = this.#schedule(message)
    }, INTERVAL_MS)
  }

  #say(message: string, { facts, count }: Unsaid): void {
    if (count > 0) this.#logger.warn({ ...facts, count }, message)
  }
}
