import { ownCopy } from '../store/path.ts'
import { PathTree, type Place } from '../store/path-tree.ts'
import { PatternGroup, type TreePattern } from './pattern-group.ts'
import type { Subscriber } from './subscriber.ts'

/** Only so much of a pattern decides where it is kept, in bytes. */
export const MAX_LITERAL_BYTES = 1024

const SPECIAL = /[*?[\\]/

/**
 * The patterns that match the keys of events. Each is kept at the directory that it names literally: `/jobs/eu-*` at
 * `/jobs`. So an event is compared only with patterns that are kept at its key and above; if they are many, only with
 * those that have some bytes in common with the key.
 */
export class TreePatterns {
  /** How many patterns have been compared with keys. */
  tried = 0
  readonly #all = new Map<string, TreePattern>()
  readonly #places = new PathTree<PatternGroup>()
  #last = 0

  get size(): number {
    return this.#all.size
  }

  *listeners(): Iterable<Set<Subscriber>> {
    for (const { listeners } of this.#all.values()) yield listeners
  }

  /** @param pattern kept, so it must not be cut from a longer string */
  add(pattern: string, client: Subscriber): void {
    let known = this.#all.get(pattern)
    if (known === undefined) {
      const place = this.#places.at(literalPath(pattern))
      known = { pattern, listeners: new Set(), place, order: ++this.#last, run: 0 }
      place.item ??= new PatternGroup(place.path)
      place.item.add(known)
      this.#all.set(pattern, known)
    }
    known.listeners.add(client)
  }

  remove(pattern: string, client: Subscriber): void {
    const known = this.#all.get(pattern)
    if (!known?.listeners.delete(client) || known.listeners.size > 0) return
    this.#all.delete(pattern)
    const { place } = known
    place.item?.remove(known)
    if (place.item?.size !== 0) return
    place.item = undefined
    this.#places.prune(place)
  }

  /** The patterns that match a key, in the order in which they came. */
  matching(key: string): TreePattern[] {
    const matching: TreePattern[] = []
    let place: Place<PatternGroup> | undefined = this.#places.root
    while (place !== undefined && place.path.length <= key.length) {
      if (place.item !== undefined) this.tried += place.item.collect(key, matching)
      if (place.path.length === key.length) break
      place = this.#places.next(place, key)
    }
    if (matching.length > 1) matching.sort((a, b) => a.order - b.order)
    return matching
  }

  /** How many patterns an event at a path or below it is compared with at most. Counts them one by one. */
  countAround(path: string): number {
    let count = 0
    let place: Place<PatternGroup> | undefined = this.#places.root
    while (place !== undefined && place.path.length < path.length) {
      count += place.item?.size ?? 0
      place = this.#places.next(place, path)
    }
    const left = place === undefined ? [] : [place]
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      count += next.item?.size ?? 0
      for (const child of next.children?.values() ?? []) left.push(child)
    }
    return count
  }
}

/** The path at or above all keys that a pattern matches, as far as it is literal. */
function literalPath(pattern: string): string {
  const special = pattern.search(SPECIAL)
  const end = special === -1 ? pattern.length : special
  // A place's path has no empty component.
  const empty = pattern.indexOf('//')
  const literal = pattern.slice(0, empty === -1 ? end : Math.min(end, empty + 1))
  const whole = literal.length === pattern.length && literal.length <= MAX_LITERAL_BYTES
  if (whole && !literal.endsWith('/')) return pattern
  const slash = literal.slice(0, MAX_LITERAL_BYTES).lastIndexOf('/')
  return slash <= 0 ? '/' : ownCopy(literal.slice(0, slash))
}
