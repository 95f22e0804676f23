import { type Clock, elapsedOf } from '../store/clock.ts'

/** An output of the program, such as `process.stderr`. */
export interface Output {
  write(chunk: string | Uint8Array, done?: (error?: Error | null) => void): unknown
  readonly isTTY?: boolean
}

/** The pause between two updates of the line on a terminal, and between two lines elsewhere. */
const TERMINAL_PAUSE_MS = 100
const PIPE_PAUSE_MS = 2000

/**
 * Reports the progress of slow work. On a terminal, one line is overwritten. Elsewhere, a new line
 * is written now and then, and none for quick work.
 */
export class Progress {
  readonly #output: Output
  readonly #clock: Clock
  readonly #isTerminal: boolean
  #lastTime: number
  /** Whether the terminal shows a line that will be overwritten. */
  #hasLine = false

  constructor(output: Output, clock: Clock) {
    this.#output = output
    this.#clock = clock
    this.#isTerminal = output.isTTY === true
    this.#lastTime = elapsedOf(clock)
  }

  /** Begins a phase without known progress. */
  phase(text: string): void {
    if (this.#isTerminal) this.#overwrite(`${text} ...`)
  }

  /** @param total 0 if it is unknown */
  update(action: string, done: number, total: number, unit: string): void {
    const now = elapsedOf(this.#clock)
    const pause = this.#isTerminal ? TERMINAL_PAUSE_MS : PIPE_PAUSE_MS
    if (now - this.#lastTime < pause) return
    this.#lastTime = now
    const share =
      total > 0 ? ` of ${total} ${unit} (${Math.floor((100 * done) / total)} %)` : ` ${unit}`
    const text = `${action} ${done}${share}`
    if (this.#isTerminal) this.#overwrite(text)
    else this.#output.write(`${text}\n`)
  }

  /** Writes a line that is not overwritten. */
  line(text: string): void {
    this.clear()
    this.#output.write(`${text}\n`)
  }

  /** Removes the line from the terminal. */
  clear(): void {
    if (this.#hasLine) this.#output.write('\r\x1b[K')
    this.#hasLine = false
  }

  #overwrite(text: string): void {
    this.#output.write(`\r${text}\x1b[K`)
    this.#hasLine = true
  }
}
