import type { RequestArguments } from '../resp/request-arguments.ts'
import { type Clock, elapsedOf } from '../store/clock.ts'
import type { Gate, Waiter } from './gate.ts'

/** CLIENT PAUSE: a gate that holds requests back until a given time. */
export class Pause implements Gate {
  readonly #clock: Clock
  readonly #onChange: (paused: boolean) => void
  readonly #waiting = new Set<() => void>()
  #paused = false
  /** On the scale of `Clock.elapsed`. */
  #end = 0
  #writesOnly = false
  #cancelEnd: (() => void) | undefined

  /** @param onChange called when a pause begins and when it ends */
  constructor(clock: Clock, onChange: (paused: boolean) => void) {
    this.#clock = clock
    this.#onChange = onChange
  }

  /** End of the pause, on the scale of `Clock.elapsed`; undefined while there is none. */
  get end(): number | undefined {
    return this.#paused ? this.#end : undefined
  }

  /** Whether the pause lets requests run that only read. */
  get writesOnly(): boolean {
    return this.#writesOnly
  }

  /**
   * Begins a pause. Two pauses at once have the later end and the stricter kind (Redis).
   *
   * @param duration milliseconds
   */
  begin(duration: number, writesOnly: boolean): void {
    // Redis allows a pause of 0 milliseconds, which holds no request.
    if (!this.#paused && duration <= 0) return
    const now = elapsedOf(this.#clock)
    const end = now + duration
    this.#end = this.#paused ? Math.max(end, this.#end) : end
    this.#writesOnly = writesOnly && (!this.#paused || this.#writesOnly)
    this.#paused = true
    this.#cancelEnd?.()
    this.#cancelEnd = this.#clock.schedule(() => this.finish(), this.#end - now)
    this.#onChange(true)
    // Waiting requests are dispatched anew, because the new pause may let them through.
    this.#resumeAll()
  }

  /** Ends the pause, if there is one, and serves all waiting requests. */
  finish(): void {
    this.#cancelEnd?.()
    this.#cancelEnd = undefined
    if (!this.#paused) return
    this.#paused = false
    this.#onChange(false)
    this.#resumeAll()
  }

  holds(client: Waiter, args: RequestArguments, mayWrite: boolean): boolean {
    if (this.#writesOnly && !mayWrite) return false
    const resume = client.postpone(args, () => this.#waiting.delete(resume))
    this.#waiting.add(resume)
    return true
  }

  #resumeAll(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resume of waiting) resume()
  }
}
