import type { Clock } from '../../src/store/clock.ts'

/** A clock whose timers never fire, so that due nodes stay until a command finds them. */
export class IdleClock implements Clock {
  time = Date.UTC(2020, 0, 1)

  now(): number {
    return this.time
  }

  elapsed(): number {
    return this.time
  }

  schedule(): () => void {
    return () => {}
  }
}
