import { type Event, keyOf, removesDirectory } from '../event.ts'
import { lastHidden } from '../path.ts'
import { PathTree, type Place } from '../path-tree.ts'

/** With more numbers than this in all lists, they would take too long to make: this takes some 50 milliseconds. */
const MAX_NUMBERS = 200_000

/** Indexes of events, lowest first. */
interface Lists {
  /** Of the events at a path. */
  readonly at: number[]
  /** Of those below it that a recursive watcher there sees. */
  readonly below: number[]
  /** Of those at it that removed a directory. */
  readonly removals: number[]
}

/**
 * Finds what a watcher sees of many events without going through them.
 *
 * Problem: whoever resumes from an index goes through all events since then, and one request can have 80,000
 * do so.
 *
 * Trick: lists of the events at each path, of those below it, and of its removals. A path that no event has
 * has none: it has the same events below it as the only place that follows. The lists are made when many have
 * searched the history while little was written, and forgotten when nobody searches.
 *
 * Price: a number for each event and place above it where paths part; a write adds to the lists as long as they are there.
 *
 * Gain: 80,000 KWAITs with SINCE, at a history of 20,000 events, take 1 % of the time. Channels that begin at an index
 * mostly go through the history together instead (`src/pubsub/replays.ts`).
 *
 * Can be deleted by letting `EventHistory.find` go through the events in all cases.
 */
export class EventLookup {
  readonly #tree = new PathTree<Lists>((place, below) => this.#part(place, below))
  /** How many numbers the lists have. */
  #numbers = 0

  /** @returns undefined if the lists would be too long */
  static of(events: Iterable<Event>): EventLookup | undefined {
    const lookup = new EventLookup()
    for (const event of events) if (!lookup.add(event)) return undefined
    return lookup
  }

  /** @returns false if the lists are too long: then it is of no more use */
  add(event: Event): boolean {
    // No watcher sees a refresh.
    if (event.refresh) return true
    const key = keyOf(event)
    const { index } = event
    const place = this.#tree.at(key)
    const { at, removals } = listsOf(place)
    at.push(index)
    if (removesDirectory(event)) removals.push(index)
    const hidden = lastHidden(key)
    this.#numbers++
    for (let above = place.parent; above !== null; above = above.parent) {
      if (reach(above) < hidden) break
      listsOf(above).below.push(index)
      this.#numbers++
    }
    return this.#numbers <= MAX_NUMBERS
  }

  /** The index of the first event, at or after an index, that a watcher sees; see `isWatched`. */
  first(path: string, recursive: boolean, since: number): number | undefined {
    let first = Number.POSITIVE_INFINITY
    let place: Place<Lists> | undefined = this.#tree.root
    while (place !== undefined && place.path.length < path.length) {
      first = Math.min(first, firstFrom(place.item?.removals, since))
      place = this.#tree.next(place, path)
    }
    if (place !== undefined) {
      const { item } = place
      const isThere = place.path.length === path.length
      const seesBelow = recursive && (isThere || lastHidden(place.path) <= path.length)
      if (isThere || seesBelow) first = Math.min(first, firstFrom(item?.at, since))
      if (seesBelow) first = Math.min(first, firstFrom(item?.below, since))
    }
    return first === Number.POSITIVE_INFINITY ? undefined : first
  }

  /** What is at and below a place is below the one that is made above it. */
  #part(place: Place<Lists>, { path, item }: Place<Lists>): void {
    if (item === undefined || lastHidden(path) > reach(place)) return
    const below = [...item.at, ...item.below].sort((a, b) => a - b)
    this.#numbers += below.length
    place.item = { at: [], below, removals: [] }
  }
}

/** Up to where a component may be hidden for a watcher at a place to see what is below it. */
function reach<T>({ path, parent }: Place<T>): number {
  return parent === null ? 0 : path.length
}

function listsOf(place: Place<Lists>): Lists {
  place.item ??= { at: [], below: [], removals: [] }
  return place.item
}

/** The first index at or after another one. */
function firstFrom(list: readonly number[] | undefined, since: number): number {
  if (list === undefined) return Number.POSITIVE_INFINITY
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (list[middle] < since) low = middle + 1
    else high = middle
  }
  return low < list.length ? list[low] : Number.POSITIVE_INFINITY
}
