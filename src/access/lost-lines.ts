import type { Clock } from '../store/clock.ts'

/** The pause between two reports. */
const REPORT_INTERVAL_MS = 1000

/** Reports lines that could not be written: the first at once, later ones together, once a second. */
export class LostLines {
  readonly #clock: Clock
  readonly #report: (lines: number, reason: string) => void
  /** Count of the lines that have not been reported yet. */
  #lines = 0
  #reason = ''
  /** Cancels the next report; undefined if none was made within the interval. */
  #cancel: (() => void) | undefined

  /** @param report gets the number of lines, and why the last one was lost */
  constructor(clock: Clock, report: (lines: number, reason: string) => void) {
    this.#clock = clock
    this.#report = report
  }

  add(reason: string): void {
    this.#lines++
    this.#reason = reason
    if (this.#cancel === undefined) this.#tell()
  }

  #tell(): void {
    this.#cancel = undefined
    if (this.#lines === 0) return
    const lines = this.#lines
    this.#lines = 0
    this.#cancel = this.#clock.schedule(() => this.#tell(), REPORT_INTERVAL_MS)
    this.#report(lines, this.#reason)
  }

  /** Reports what is left. */
  end(): void {
    this.#cancel?.()
    this.#tell()
    this.#cancel?.()
  }
}
