import { cleanPath } from '../store/path.ts'
import type { Store } from '../store/store.ts'
import type { Watcher } from '../store/watcher-hub.ts'

/** A watched key takes about this much memory besides its path. */
const WATCH_OVERHEAD_BYTES = 512

interface WatchedKey {
  readonly watcher: Watcher
  /** Earlier expiries do not count, in Unix milliseconds; none counts if the key did not exist. */
  readonly since: number
}

/**
 * The keys that a client watches (WATCH). The first change at or below one of them, by any client,
 * ends all watches, and makes the client's next EXEC do nothing.
 */
export class WatchedKeys {
  readonly #store: Store
  readonly #keys = new Map<string, WatchedKey>()
  #touched = false
  /** Memory that the watches take, about. */
  bytes = 0

  constructor(store: Store) {
    this.#store = store
  }

  /** Whether a watched key has changed; leaves out keys that are due and not yet deleted. */
  get touched(): boolean {
    return this.#touched
  }

  /** Watches a path. @throws PathError if it is too long or too deep */
  add(path: string): void {
    // EXEC will do nothing anyway, so further keys need no watching (Redis).
    if (this.#touched) return
    const key = cleanPath(path)
    if (this.#keys.has(key)) return
    const watcher = this.#store.guard(key, () => this.#touch())
    const existed = this.#store.lookup(key) !== undefined
    const since = existed ? this.#store.clock.now() : Number.POSITIVE_INFINITY
    this.#keys.set(key, { watcher, since })
    this.bytes += WATCH_OVERHEAD_BYTES + key.length
  }

  /** Whether a watched key has changed, or is due. */
  check(): boolean {
    const next = this.#store.nextExpiry()
    if (this.#touched || next === undefined || next > this.#store.clock.now()) return this.#touched
    for (const [key, { since }] of this.#keys) {
      if (this.#store.hasOverdue(key, since)) return true
    }
    return false
  }

  /** Ends all watches. */
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
