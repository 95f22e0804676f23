import type { Recorder } from '../log/recorder.ts'
import { ExpirySlice } from '../request/expiry-slice.ts'
import { type Accountable, guarded } from '../request/guard.ts'
import type { Clock } from '../store/clock.ts'
import type { Store } from '../store/store.ts'

/** Nodes that are reclaimed between two readings of the clock. */
const RECLAIMED_PER_STEP = 64
/** After an unexpected error the next slice comes so late that the log stays readable. */
const RETRY_MS = 1000

/**
 * Drives {@link Store.deleteExpiredKeys}: sleeps until the next expiry, then works in slices, so
 * that a million keys due at once do not hold up other clients. The store hides a key that is due
 * and not yet deleted.
 */
export class ExpiryTimer {
  readonly #store: Store
  readonly #recorder: Recorder
  readonly #clock: Clock
  readonly #server: Accountable
  readonly #onExpired: (duration: number) => void
  /** When the timer fires, in Unix milliseconds; never while it is not set. */
  #armedFor = Number.POSITIVE_INFINITY
  #cancel: (() => void) | undefined
  #slice: NodeJS.Immediate | undefined
  #stopped = false
  #paused = false

  /**
   * @param server answers for unexpected errors
   * @param onExpired called after each slice, with its milliseconds; sends the slice's events
   */
  constructor(
    store: Store,
    recorder: Recorder,
    clock: Clock,
    server: Accountable,
    onExpired: (duration: number) => void,
  ) {
    this.#store = store
    this.#recorder = recorder
    this.#clock = clock
    this.#server = server
    this.#onExpired = onExpired
  }

  /** Sets the timer earlier if a key now expires before it would fire. Cheap. */
  arm(): void {
    if (this.#stopped || this.#paused || this.#slice !== undefined) return
    if (this.#store.needsReclaim) {
      this.#continue()
      return
    }
    const next = this.#store.nextExpiry()
    if (next === undefined || next >= this.#armedFor) return
    this.#armedFor = next
    this.#sleep(Math.max(0, next - this.#clock.now()))
  }

  /**
   * Looks at the clock, and works if a key is due: the timer follows elapsed time, which says nothing
   * of a clock that was set ahead, or of a machine that slept. Called every second. Cheap.
   */
  look(): void {
    if (this.#stopped || this.#paused || this.#slice !== undefined) return
    const next = this.#store.nextExpiry()
    if (next === undefined || next > this.#clock.now()) return
    this.#cancel?.()
    this.#cancel = undefined
    this.#armedFor = Number.POSITIVE_INFINITY
    this.#workAgain()
  }

  /** Stops deleting due keys, which the store still hides, or goes on deleting them. */
  set paused(paused: boolean) {
    this.#paused = paused
    this.arm()
  }

  /** Stops for good. */
  stop(): void {
    this.#stopped = true
    this.#cancel?.()
    if (this.#slice !== undefined) clearImmediate(this.#slice)
  }

  #sleep(delay: number): void {
    this.#cancel?.()
    this.#cancel = this.#clock.schedule(() => {
      this.#cancel = undefined
      this.#armedFor = Number.POSITIVE_INFINITY
      this.#workAgain()
    }, delay)
  }

  #continue(): void {
    this.#slice = setImmediate(() => {
      this.#slice = undefined
      this.#workAgain()
    })
  }

  /** Works, and comes back whatever happens. */
  #workAgain(): void {
    const retry = { fail: (error: unknown) => this.#retry(error) }
    guarded(retry, () => this.#work())()
  }

  #retry(error: unknown): void {
    this.#server.fail(error)
    if (this.#stopped) return
    // No key that is due arms the timer earlier.
    this.#armedFor = Number.NEGATIVE_INFINITY
    this.#sleep(RETRY_MS)
  }

  #work(): void {
    if (this.#stopped || this.#paused) return
    const start = performance.now()
    const slice = new ExpirySlice(this.#store, this.#recorder)
    let more = true
    while (more && !slice.isOver) {
      const left = this.#store.reclaim(RECLAIMED_PER_STEP)
      more = slice.step(this.#clock.now()) || left
    }
    this.#onExpired(performance.now() - start)
    if (more) this.#continue()
    else this.arm()
  }
}
