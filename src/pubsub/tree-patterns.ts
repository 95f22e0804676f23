import { ownCopy } from '../store/path.ts'
import { PathTree, type Place } from '../store/path-tree.ts'
import { CommonPatterns } from './common-patterns.ts'
import { FewKeysWork } from './few-keys-work.ts'
import { PatternGroup, SPECIAL, type TreePattern } from './pattern-group.ts'
import { ManyKeysWork, type PatternWork } from './pattern-work.ts'
import type { Subscriber } from './subscriber.ts'

/** Only so much of a pattern decides where it is kept, in bytes. */
export const MAX_LITERAL_BYTES = 1024
/** Finding out what a key is compared with takes as long as looking at so many patterns of other keys. */
const PATTERNS_PER_KEY = 16

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
  /** Those that are compared with most keys. */
  readonly common = new CommonPatterns()
  #last = 0

  get size(): number {
    return this.#all.size
  }

  *listeners(): Iterable<Set<Subscriber>> {
    for (const { listeners } of this.#all.values()) yield listeners
  }

  /**
   * @param pattern kept, so it must not be cut from a longer string
   * @returns all who listen to it
   * @throws CommandError if it is common, and there are too many of them
   */
  add(pattern: string, client: Subscriber): ReadonlySet<Subscriber> {
    let known = this.#all.get(pattern)
    if (known === undefined) {
      const place = this.#places.at(literalPath(pattern))
      const group = place.item ?? new PatternGroup(place.path)
      const isCommon = group.isCommon(pattern)
      if (isCommon && !this.common.mayAdd(client, true)) {
        this.#places.prune(place)
        throw this.common.tooMany()
      }
      known = { pattern, listeners: new Set(), place, isCommon, order: ++this.#last, run: 0 }
      place.item = group
      group.add(known)
      this.#all.set(pattern, known)
    } else if (known.isCommon && !this.common.mayAdd(client, false)) throw this.common.tooMany()
    if (known.isCommon) this.common.add(client, known.listeners.size === 0)
    return known.listeners.add(client)
  }

  remove(pattern: string, client: Subscriber): void {
    const known = this.#all.get(pattern)
    if (!known?.listeners.delete(client)) return
    if (known.isCommon) this.common.remove(client, known.listeners.size === 0)
    if (known.listeners.size > 0) return
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
    for (const { path, item } of this.#places.way(key)) {
      if (item !== undefined && path.length <= key.length) this.tried += item.collect(key, matching)
    }
    if (matching.length > 1) matching.sort((a, b) => a.order - b.order)
    return matching
  }

  /** With how many patterns an event at a key is compared, and in how many groups the runs of the key are looked for. */
  comparisonsAt(key: string): [compared: number, searches: number] {
    let compared = 0
    let searches = 0
    for (const { path, item } of this.#places.way(key)) {
      if (item === undefined || path.length > key.length) continue
      compared += item.comparisonsAt(key)
      if (item.isSearched) searches++
    }
    return [compared, searches]
  }

  /**
   * With how many patterns an event at a path, or at one below it, is compared at most.
   *
   * @param nodes how many have an event; absent for any number
   */
  workAround(path: string, nodes = Number.POSITIVE_INFINITY): PatternWork {
    if (nodes * PATTERNS_PER_KEY <= this.size) return new FewKeysWork(this, path)
    const groups: PatternGroup[] = []
    const way = this.#places.way(path)
    for (const { item } of way) if (item !== undefined) groups.push(item)
    const last = way[way.length - 1]
    if (last.path.length >= path.length) addBelow(last, groups)
    return new ManyKeysWork(groups, path)
  }
}

/** Adds the groups of all places below one. */
function addBelow(place: Place<PatternGroup>, groups: PatternGroup[]): void {
  const open = [place]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const below of at.children?.values() ?? []) {
      if (below.item !== undefined) groups.push(below.item)
      open.push(below)
    }
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
