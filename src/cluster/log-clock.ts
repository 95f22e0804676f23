import { type Clock, elapsedOf } from '../store/clock.ts'

/**
 * The time in a group: the machine's, but never before the log's, so that what has expired by the log
 * is not seen again where a clock is slow.
 */
export class LogClock implements Clock {
  readonly #machine: Clock
  #logTime = 0

  constructor(machine: Clock) {
    this.#machine = machine
  }

  /** The largest time of an entry so far, in Unix milliseconds. */
  get logTime(): number {
    return this.#logTime
  }

  /** Goes on to an entry. @param time the entry's @returns the time at which it is applied */
  reach(time: number): number {
    if (time > this.#logTime) this.#logTime = time
    return this.#logTime
  }

  now(): number {
    return Math.max(this.#machine.now(), this.#logTime)
  }

  elapsed(): number {
    return elapsedOf(this.#machine)
  }

  schedule(callback: () => void, delay: number): () => void {
    return this.#machine.schedule(callback, delay)
  }
}
