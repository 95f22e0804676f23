/** A source of time; a test can use one that it moves by hand. */
export interface Clock {
  /** Milliseconds since the Unix epoch. Jumps when somebody sets the machine's clock. */
  now(): number
  /**
   * Milliseconds since some moment in the past. Never jumps: use it to measure how long something
   * takes. A clock without it has that of the machine.
   */
  elapsed?(): number
  /**
   * Calls `callback` once, `delay` milliseconds from now, however often the machine's clock is set
   * meanwhile.
   *
   * @param delay of any length
   * @returns a function that cancels the call
   */
  schedule(callback: () => void, delay: number): () => void
}

/** Milliseconds since some moment in the past, by a clock that never jumps. */
export function elapsedOf(clock: Clock): number {
  return clock.elapsed?.() ?? performance.now()
}

/** The longest delay of Node.js, some 24.8 days: after a longer one it calls back at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** The time of the machine. */
export const systemClock: Clock = {
  now: Date.now,
  schedule(callback, delay) {
    let timer: NodeJS.Timeout
    const wait = (left: number): void => {
      timer =
        left > MAX_TIMER_MS
          ? setTimeout(() => wait(left - MAX_TIMER_MS), MAX_TIMER_MS)
          : setTimeout(callback, left)
    }
    wait(delay)
    return () => clearTimeout(timer)
  },
}

interface Alarm {
  /** On the scale of `elapsed`. */
  time: number
  callback: () => void
}

/** A clock that stands still until a test advances it. */
export class ManualClock implements Clock {
  #now: number
  #elapsed = 0
  readonly #alarms = new Set<Alarm>()

  /** @param now where the clock starts, in Unix milliseconds */
  constructor(now: number = Date.UTC(2020, 0, 1)) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  elapsed(): number {
    return this.#elapsed
  }

  schedule(callback: () => void, delay: number): () => void {
    const alarm = { time: this.#elapsed + Math.max(0, delay), callback }
    this.#alarms.add(alarm)
    return () => this.#alarms.delete(alarm)
  }

  /**
   * Moves the clock forward, and calls the callbacks that are due on the way, in order of time.
   *
   * @param ms how far, in milliseconds
   */
  advance(ms: number): void {
    const end = this.#elapsed + ms
    for (let alarm = this.#next(end); alarm !== undefined; alarm = this.#next(end)) {
      this.#alarms.delete(alarm)
      this.#pass(Math.max(0, alarm.time - this.#elapsed))
      alarm.callback()
    }
    this.#pass(end - this.#elapsed)
  }

  /**
   * Sets the clock ahead, or back, without time passing, so nothing falls due. The same happens when
   * somebody sets a machine's clock, and when a machine has slept.
   *
   * @param ms how far, in milliseconds; negative to set it back
   */
  jump(ms: number): void {
    this.#now += ms
  }

  #pass(ms: number): void {
    this.#elapsed += ms
    this.#now += ms
  }

  #next(end: number): Alarm | undefined {
    let first: Alarm | undefined
    for (const alarm of this.#alarms) {
      if (alarm.time <= end && (first === undefined || alarm.time < first.time)) first = alarm
    }
    return first
  }
}
