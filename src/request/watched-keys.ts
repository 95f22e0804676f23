import type { Guard } from '../store/guard.ts'
import { cleanPath } from '../store/path.ts'
import type { Store } from '../store/store.ts'
import { WATCHER_BYTES } from '../store/watcher-hub.ts'

/**
 * The keys that a client watches (WATCH). The first change at or below one of them, by any client,
 * ends all watches, and makes the client's next EXEC do nothing.
 */
export class WatchedKeys {
  readonly #store: Store
  readonly #keys = new Map<string, Guard>()
  readonly #onChange = (): void => this.#touch()
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

  /** What is watched, clean. */
  get paths(): Iterable<string> {
    return this.#keys.keys()
  }

  /** Watches a path. @throws PathError if it is too long or too deep */
  add(path: string): void {
    // EXEC will do nothing anyway, so further keys need no watching (Redis).
    if (this.#touched) return
    if (this.#keys.has(cleanPath(path))) return
    const guard = this.#store.guard(path, this.#onChange)
    this.#keys.set(guard.path, guard)
    this.bytes += WATCHER_BYTES + guard.path.length
  }

  /** Whether a watched key has changed, or is due. */
  check(): boolean {
    const next = this.#store.nextExpiry()
    if (this.#touched || next === undefined || next > this.#store.clock.now()) return this.#touched
    const due = this.#store.dueNodes()
    for (const guard of this.#keys.values()) if (guard.isOverdue(due)) return true
    return false
  }

  /** The watches. */
  get guards(): Iterable<Guard> {
    return this.#keys.values()
  }

  /** Ends all watches. */
  clear(): void {
    for (const guard of this.#keys.values()) guard.remove()
    this.#keys.clear()
    this.bytes = 0
  }

  #touch(): void {
    this.#touched = true
    this.clear()
  }
}
