import { cleanPath } from '../store/path.ts'
import type { Store } from '../store/store.ts'
import type { Watcher } from '../store/watcher-hub.ts'

/** About what a watch takes beside its path. */
const WATCH_BYTES = 512

interface WatchedKey {
  readonly watcher: Watcher
  /** From when on an expiry counts, in Unix milliseconds; never where there was nothing. */
  readonly since: number
}

/**
 * The paths that a client watches (WATCH): the first change at or below one of them, by whomever,
 * ends all, and makes its next EXEC do nothing.
 */
export class WatchedKeys {
  readonly #store: Store
  readonly #keys = new Map<string, WatchedKey>()
  #touched = false
  /** What the watches take of memory, about. */
  bytes = 0

  constructor(store: Store) {
    this.#store = store
  }

  /** Whether something watched has changed; does not see what has merely expired by now. */
  get touched(): boolean {
    return this.#touched
  }

  /** @throws PathError */
  add(path: string): void {
    // Nothing can make it any better (Redis).
    if (this.#touched) return
    const key = cleanPath(path)
    if (this.#keys.has(key)) return
    const watcher = this.#store.guard(key, () => this.#touch())
    const existed = this.#store.lookup(key) !== undefined
    const since = existed ? this.#store.clock.now() : Number.POSITIVE_INFINITY
    this.#keys.set(key, { watcher, since })
    this.bytes += WATCH_BYTES + key.length
  }

  /** Whether something watched has changed, or has expired by now. */
  check(): boolean {
    const next = this.#store.nextExpiry()
    if (this.#touched || next === undefined || next > this.#store.clock.now()) return this.#touched
    for (const [key, { since }] of this.#keys) {
      if (this.#store.hasOverdue(key, since)) return true
    }
    return false
  }

  clear(): void {
    for (const { watcher } of this.#keys.values()) watcher.remove()
    this.#keys.clear()
    this.bytes = 0
  }

  #touch(): void {
    this.#touched = true
    this.clear()
  }
}
