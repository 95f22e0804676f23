import { type Clock, elapsedOf } from '../store/clock.ts'

/** The latest that JavaScript has a date of, in Unix milliseconds. */
const MAX_TIME = 8.64e15

/** Whether a value can be the log's time. */
export function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= MAX_TIME
}

/**
 * The time in a group. It is the machine's, or that of the log, which runs on here from the moment at which
 * an entry has brought it, whichever is later. So nothing that has expired is seen again where a clock is
 * slow, and a TTL is as long as it was meant to be, whichever node has nodes expire.
 */
export class LogClock implements Clock {
  readonly #machine: Clock
  #logTime = 0
  /** How far the log's time, running on, is ahead of `elapsed`. */
  #lead = Number.NEGATIVE_INFINITY
  /** How far the machine's time was ahead of `elapsed` when this node has last told it to the others. */
  #told = Number.NEGATIVE_INFINITY

  constructor(machine: Clock) {
    this.#machine = machine
  }

  /** The largest time of an entry so far, in Unix milliseconds. */
  get logTime(): number {
    return this.#logTime
  }

  /** How far the group's time is ahead of the machine's, in milliseconds. */
  get ahead(): number {
    return Math.max(0, this.#running - this.#machine.now())
  }

  /** How far the machine's time is ahead of `elapsed`. It changes when somebody sets the machine's clock. */
  get offset(): number {
    return this.#machine.now() - this.elapsed()
  }

  /** How far the machine's time is ahead of all that the group has been told, in milliseconds. */
  get untold(): number {
    return this.offset - Math.max(this.#lead, this.#told)
  }

  /** The others know the machine's time. @param offset what {@link offset} was when it was told */
  noteTold(offset: number): void {
    this.#told = Math.max(this.#told, offset)
  }

  /** Runs on from a time that another node has told outside of the log, which says nothing of when entries are applied. */
  learn(time: number): void {
    if (isTime(time)) this.#lead = Math.max(this.#lead, time - this.elapsed())
  }

  /** Goes on to an entry. @param time the entry's @returns the time at which it is applied */
  reach(time: number): number {
    // It would stay in this clock for good, and go into all that this node writes.
    if (!isTime(time)) return this.#logTime
    if (time > this.#logTime) this.#logTime = time
    // An entry that has come late says less than one that came soon.
    this.#lead = Math.max(this.#lead, time - this.elapsed())
    return this.#logTime
  }

  now(): number {
    return Math.max(this.#machine.now(), this.#logTime, this.#running)
  }

  elapsed(): number {
    return elapsedOf(this.#machine)
  }

  schedule(callback: () => void, delay: number): () => void {
    return this.#machine.schedule(callback, delay)
  }

  get #running(): number {
    return Math.floor(this.elapsed() + this.#lead)
  }
}
