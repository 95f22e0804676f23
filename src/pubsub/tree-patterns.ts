import { ownCopy } from '../store/path.ts'
import { PathTree, type Place } from '../store/path-tree.ts'
import { matchGlob } from '../text/glob.ts'
import type { Subscriber } from './subscriber.ts'

/** Only so much of a pattern decides where it is kept, in bytes. */
export const MAX_LITERAL_BYTES = 1024

const SPECIAL = /[*?[\\]/

/** A pattern that begins with a slash, and those who listen to the events that it matches. */
export interface TreePattern {
  readonly pattern: string
  readonly listeners: Set<Subscriber>
  readonly place: Place<Set<TreePattern>>
}

/**
 * The patterns that match the keys of events. Each is kept at the directory that it names literally: `/jobs/eu-*` at
 * `/jobs`. So an event is compared only with the patterns that are kept at its key and above.
 */
export class TreePatterns {
  /** How many patterns have been compared with keys. */
  tried = 0
  readonly #all = new Map<string, TreePattern>()
  readonly #places = new PathTree<Set<TreePattern>>()

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
      known = { pattern, listeners: new Set(), place }
      place.item ??= new Set()
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
    place.item?.delete(known)
    if (place.item?.size !== 0) return
    place.item = undefined
    this.#places.prune(place)
  }

  /** The patterns that match a key. */
  matching(key: string): TreePattern[] {
    const matching: TreePattern[] = []
    let place: Place<Set<TreePattern>> | undefined = this.#places.root
    while (place !== undefined && place.path.length <= key.length) {
      for (const each of place.item ?? []) {
        this.tried++
        if (matchGlob(each.pattern, key)) matching.push(each)
      }
      if (place.path.length === key.length) break
      place = this.#places.next(place, key)
    }
    return matching
  }

  /** How many patterns an event at a path or below it is compared with at most. Counts them one by one. */
  countAround(path: string): number {
    let count = 0
    let place: Place<Set<TreePattern>> | undefined = this.#places.root
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
