/** A source of time; a test can use one that it moves by hand. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number
  /**
   * Calls `callback` once, `delay` milliseconds from now.
   *
   * @returns a function that cancels the call
   */
  schedule(callback: () => void, delay: number): () => void
}

/** The system's time. */
export const systemClock: Clock = {
  now: Date.now,
  schedule(callback, delay) {
    const timer = setTimeout(callback, delay)
    return () => clearTimeout(timer)
  },
}

interface Alarm {
  time: number
  callback: () => void
}

/** A clock that stands still until a test advances it. */
export class ManualClock implements Clock {
  #now: number
  readonly #alarms = new Set<Alarm>()

  /** @param now where the clock starts, in Unix milliseconds */
  constructor(now: number = Date.UTC(2020, 0, 1)) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  schedule(callback: () => void, delay: number): () => void {
    const alarm = { time: this.#now + Math.max(0, delay), callback }
    this.#alarms.add(alarm)
    return () => this.#alarms.delete(alarm)
  }

  /**
   * Moves the clock forward, and calls the callbacks that are due on the way, in order of time.
   *
   * @param ms how far, in milliseconds
   */
  advance(ms: number): void {
    const end = this.#now + ms
    for (let alarm = this.#next(end); alarm !== undefined; alarm = this.#next(end)) {
      this.#alarms.delete(alarm)
      this.#now = Math.max(this.#now, alarm.time)
      alarm.callback()
    }
    this.#now = end
  }

  #next(end: number): Alarm | undefined {
    let first: Alarm | undefined
    for (const alarm of this.#alarms) {
      if (alarm.time <= end && (first === undefined || alarm.time < first.time)) first = alarm
    }
    return first
  }
}
