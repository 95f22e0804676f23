import type { Clock } from '../store/clock.ts'

/** Where a program talks to people, or leaves what it makes; `process.stderr` is one. */
export interface Output {
  write(chunk: string | Uint8Array, done?: (error?: Error | null) => void): unknown
  readonly isTTY?: boolean
}

/** Milliseconds between two states of the line on a terminal, and between two lines elsewhere. */
const TERMINAL_PAUSE_MS = 100
const PIPE_PAUSE_MS = 2000

/**
 * Tells how far slow work has come: on a terminal in one line that is written over, elsewhere in
 * a line now and then. What is quick goes without a word there.
 */
export class Progress {
  readonly #output: Output
  readonly #clock: Clock
  readonly #isTerminal: boolean
  #lastTime: number
  /** Whether a line stands on the terminal that is to be written over. */
  #hasLine = false

  constructor(output: Output, clock: Clock) {
    this.#output = output
    this.#clock = clock
    this.#isTerminal = output.isTTY === true
    this.#lastTime = clock.now()
  }

  /** Begins a phase that cannot tell how far it is. */
  phase(text: string): void {
    if (this.#isTerminal) this.#overwrite(`${text} ...`)
  }

  /** @param total 0 if nobody knows */
  update(action: string, done: number, total: number, unit: string): void {
    const now = this.#clock.now()
    const pause = this.#isTerminal ? TERMINAL_PAUSE_MS : PIPE_PAUSE_MS
    if (now - this.#lastTime < pause) return
    this.#lastTime = now
    const share =
      total > 0 ? ` of ${total} ${unit} (${Math.floor((100 * done) / total)} %)` : ` ${unit}`
    const text = `${action} ${done}${share}`
    if (this.#isTerminal) this.#overwrite(text)
    else this.#output.write(`${text}\n`)
  }

  /** A line that stays. */
  line(text: string): void {
    this.clear()
    this.#output.write(`${text}\n`)
  }

  /** Takes the line off the terminal. */
  clear(): void {
    if (this.#hasLine) this.#output.write('\r\x1b[K')
    this.#hasLine = false
  }

  #overwrite(text: string): void {
    this.#output.write(`\r${text}\x1b[K`)
    this.#hasLine = true
  }
}
