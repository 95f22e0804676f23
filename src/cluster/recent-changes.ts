import type { Event } from '../store/event.ts'
import { PathTree, type Place } from '../store/path-tree.ts'
import type { Store } from '../store/store.ts'
import type { ExecWatch } from './exec-entry.ts'

/** An EXEC that was taken more changes ago does nothing. Part of the format: it decides outcomes. */
const MAX_CHANGES = 4096

export interface Change {
  readonly path: string
  /** Whether a node has gone, with all below it. */
  readonly removes: boolean
}

/** The last changes of the tree: whether an EXEC may still run, as every node judges it alike. */
export class RecentChanges {
  readonly #store: Store
  /** A ring, in which the change with number `n` is at `n % MAX_CHANGES`. */
  readonly #changes: Change[] = []
  #count = 0

  constructor(store: Store) {
    this.#store = store
    store.onEveryChange((event) => this.#note(event))
  }

  /** How many changes there have been. */
  get count(): number {
    return this.#count
  }

  /** Whether anything that an EXEC depends on has changed since it was taken. */
  touches({ changes, keys }: ExecWatch): boolean {
    if (this.#count - changes > MAX_CHANGES) return true
    const due = this.#store.dueNodes()
    // There may be hundreds of thousands of keys.
    const changed = new ChangedPaths()
    for (let number = changes; number < this.#count; number++) {
      changed.add(this.#changes[number % MAX_CHANGES])
    }
    for (const { path, since } of keys) {
      if (changed.touch(path) || due.touch(path, since)) return true
    }
    return false
  }

  /** The changes that an EXEC may still depend on, the oldest first. */
  get recent(): readonly Change[] {
    const first = Math.max(0, this.#count - MAX_CHANGES)
    return Array.from({ length: this.#count - first }, (_, i) => {
      return this.#changes[(first + i) % MAX_CHANGES]
    })
  }

  /** Goes on where another node was. */
  restore(count: number, recent: readonly Change[]): void {
    this.#count = count - recent.length
    for (const change of recent) this.#add(change)
  }

  #note({ action, node }: Event): void {
    // A state that replaces everything comes as a set of the root.
    const removes = REMOVALS.includes(action) || node.key === '/'
    this.#add({ path: node.key, removes })
  }

  #add(change: Change): void {
    this.#changes[this.#count % MAX_CHANGES] = change
    this.#count++
  }
}

/** Paths that have changed, to be compared with many others: in time that their number has no part in. */
class ChangedPaths {
  /** Whether a node has gone from a path, and not only changed. */
  readonly #tree = new PathTree<boolean>()
  #isEmpty = true

  add({ path, removes }: Change): void {
    const place = this.#tree.at(path)
    place.item = removes || place.item === true
    this.#isEmpty = false
  }

  /** Whether something has changed at a path or below it, or has been removed above it. */
  touch(path: string): boolean {
    let place: Place<boolean> | undefined = this.#tree.root
    while (place !== undefined && place.path.length < path.length) {
      if (place.item === true) return true
      place = this.#tree.next(place, path)
    }
    return place !== undefined && !this.#isEmpty
  }
}

const REMOVALS: readonly string[] = ['delete', 'expire', 'compareAndDelete']
