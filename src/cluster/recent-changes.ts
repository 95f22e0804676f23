import type { Event } from '../store/event.ts'
import { PathTree, type Place } from '../store/path-tree.ts'
import type { Store } from '../store/store.ts'
import type { ExecWatch } from './exec-entry.ts'

/** An EXEC that was taken more changes ago does nothing. Part of the format: it decides outcomes. */
export const MAX_CHANGES = 4096
/** Nor does one since which changes at so many bytes of paths were made, because they are kept. As well part of it. */
const MAX_PATH_BYTES = 4 * 1024 * 1024

export interface Change {
  readonly path: string
  /** Whether a node has gone, with all below it. */
  readonly removes: boolean
}

/** The last changes of the tree: whether an EXEC may still run, as every node judges it alike. */
export class RecentChanges {
  readonly #store: Store
  /** A ring, in which the change with number `n` is at `n % MAX_CHANGES`. */
  readonly #changes: (Change | undefined)[] = []
  #count = 0
  /** The number of the first change that is kept. */
  #first = 0
  /** What the paths of those kept have together. */
  #pathBytes = 0
  /** The paths that have changed since an EXEC was taken: many are taken before the next change. */
  #changed = new ChangedPaths()
  /** The numbers of the first change in there, and of the one after the last. */
  #changedFrom = 0
  #changedTo = 0

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
    if (changes < this.#first) return true
    const due = this.#store.dueNodes()
    // There may be hundreds of thousands of keys.
    const changed = this.#changedSince(changes)
    for (const { path, since } of keys) {
      if (changed.touch(path) || due.touch(path, since)) return true
    }
    return false
  }

  #changedSince(number: number): ChangedPaths {
    if (number !== this.#changedFrom) {
      this.#changed = new ChangedPaths()
      this.#changedFrom = this.#changedTo = number
    }
    while (this.#changedTo < this.#count) this.#changed.add(this.#at(this.#changedTo++))
    return this.#changed
  }

  /** The changes that an EXEC may still depend on, the oldest first. */
  get recent(): readonly Change[] {
    return Array.from({ length: this.#count - this.#first }, (_, i) => this.#at(this.#first + i))
  }

  /** Goes on where another node was. */
  restore(count: number, recent: readonly Change[]): void {
    this.#changes.length = 0
    this.#pathBytes = 0
    this.#changed = new ChangedPaths()
    this.#changedFrom = this.#changedTo = count
    this.#count = this.#first = count - recent.length
    for (const change of recent) this.#add(change)
  }

  #note({ action, node }: Event): void {
    // A state that replaces everything comes as a set of the root.
    const removes = REMOVALS.includes(action) || node.key === '/'
    this.#add({ path: node.key, removes })
  }

  #add(change: Change): void {
    if (this.#count - this.#first === MAX_CHANGES) this.#drop()
    this.#changes[this.#count % MAX_CHANGES] = change
    this.#count++
    this.#pathBytes += change.path.length
    while (this.#pathBytes > MAX_PATH_BYTES) this.#drop()
  }

  /** Forgets the first change that is kept. */
  #drop(): void {
    this.#pathBytes -= this.#at(this.#first).path.length
    this.#changes[this.#first % MAX_CHANGES] = undefined
    this.#first++
  }

  #at(number: number): Change {
    return this.#changes[number % MAX_CHANGES] as Change
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
