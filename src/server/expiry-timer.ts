import type { Clock } from '../store/clock.ts'
import type { Store } from '../store/store.ts'

/** One slice of expiring and reclaiming nodes may hold up other clients for this long. */
const MAX_SLICE_MS = 4
/** Nodes that are expired, and nodes that are reclaimed, between two readings of the clock. */
const NODES_PER_STEP = 64
/**
 * Drives {@link Store.deleteExpiredKeys}: sleeps until the next expiry, then works in slices, so
 * that a million keys due at once do not hold up other clients. The store hides a key that is due
 * and not yet deleted.
 */
export class ExpiryTimer {
  readonly #store: Store
  readonly #clock: Clock
  readonly #onExpired: (duration: number) => void
  /** When the timer fires, in Unix milliseconds; never while it is not set. */
  #armedFor = Number.POSITIVE_INFINITY
  #cancel: (() => void) | undefined
  #slice: NodeJS.Immediate | undefined
  #stopped = false
  #paused = false

  /** @param onExpired called after each slice, with its milliseconds; sends the slice's events */
  constructor(store: Store, clock: Clock, onExpired: (duration: number) => void) {
    this.#store = store
    this.#clock = clock
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
    this.#cancel?.()
    this.#armedFor = next
    const delay = Math.max(0, next - this.#clock.now())
    this.#cancel = this.#clock.schedule(() => {
      this.#cancel = undefined
      this.#armedFor = Number.POSITIVE_INFINITY
      this.#work()
    }, delay)
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
    this.#work()
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

  #continue(): void {
    this.#slice = setImmediate(() => {
      this.#slice = undefined
      this.#work()
    })
  }

  #work(): void {
    if (this.#stopped || this.#paused) return
    const start = performance.now()
    const end = start + MAX_SLICE_MS
    let more = true
    while (more && performance.now() < end) {
      const left = this.#store.reclaim(NODES_PER_STEP)
      const expired = this.#store.deleteExpiredKeys(this.#clock.now(), NODES_PER_STEP)
      more = expired === NODES_PER_STEP || left
    }
    this.#onExpired(performance.now() - start)
    if (more) this.#continue()
    else this.arm()
  }
}
