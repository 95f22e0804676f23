import type { Clock } from '../store/clock.ts'
import type { Store } from '../store/store.ts'

/** How long expiring, or clearing away, may hold up other clients at a time, in milliseconds. */
const SLICE_MS = 4
/** How many nodes are expired between two looks at the clock. */
const STEP = 64
/** Timers go by elapsed time, TTLs by the wall clock: look again at least so often, in ms. */
const LONGEST_SLEEP = 60_000

/**
 * Drives {@link Store.deleteExpiredKeys}: sleeps until the next expiry, and works in slices, so
 * that a million keys due at once hold nobody up. Until their turn comes the store hides them.
 */
export class ExpiryTimer {
  readonly #store: Store
  readonly #clock: Clock
  readonly #onExpired: (duration: number) => void
  #armedFor = Number.POSITIVE_INFINITY
  #cancel: (() => void) | undefined
  #slice: NodeJS.Immediate | undefined
  #stopped = false
  #paused = false

  /** @param onExpired called after each slice, with its milliseconds, so that what watchers were told can be sent */
  constructor(store: Store, clock: Clock, onExpired: (duration: number) => void) {
    this.#store = store
    this.#clock = clock
    this.#onExpired = onExpired
  }

  /** Looks whether something now expires earlier than the timer is set for. Cheap. */
  arm(): void {
    if (this.#stopped || this.#paused || this.#slice !== undefined) return
    if (this.#store.needsReclaim) {
      this.#continue()
      return
    }
    const next = this.#store.nextExpiry()
    if (next === undefined || next >= this.#armedFor) return
    this.#cancel?.()
    this.#armedFor = next
    const delay = Math.min(Math.max(0, next - this.#clock.now()), LONGEST_SLEEP)
    this.#cancel = this.#clock.schedule(() => {
      this.#cancel = undefined
      this.#armedFor = Number.POSITIVE_INFINITY
      this.#work()
    }, delay)
  }

  /** Lets what is due lie, hidden as it is, or takes it up again. */
  set paused(paused: boolean) {
    this.#paused = paused
    this.arm()
  }

  stop(): void {
    this.#stopped = true
    this.#cancel?.()
    if (this.#slice !== undefined) clearImmediate(this.#slice)
  }

  #continue(): void {
    this.#slice = setImmediate(() => {
      this.#slice = undefined
      this.#work()
    })
  }

  #work(): void {
    if (this.#stopped || this.#paused) return
    const start = performance.now()
    const end = start + SLICE_MS
    let more = true
    while (more && performance.now() < end) {
      const left = this.#store.reclaim(STEP)
      const expired = this.#store.deleteExpiredKeys(this.#clock.now(), STEP)
      more = expired === STEP || left
    }
    this.#onExpired(performance.now() - start)
    if (more) this.#continue()
    else this.arm()
  }
}
