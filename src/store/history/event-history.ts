import { StoreError } from '../errors.ts'
import type { Event } from '../event.ts'
import { DroppedEvents } from './dropped-events.ts'
import { FileChange } from './short-event.ts'
import { isWatched } from './watched.ts'

/** How much of the history is kept. */
export interface HistoryLimits {
  /** The most events. */
  events: number
  /** The most bytes of keys and values that those events hold on to. */
  bytes: number
}

/** The last events in order of index, in a ring; older ones are dropped. */
export class EventHistory {
  #limits: HistoryLimits
  /** The ring grows up to the limit as events come, so that a large limit costs nothing unused. */
  #ring: (Event | FileChange | undefined)[] = new Array(16)
  // What is to be known of each event in the ring to drop it: by then the event itself has long
  // left the processor's cache.
  /** How many bytes it holds on to. */
  #sizes = new Float64Array(16)
  #indexes = new Float64Array(16)
  #crowds = new Int32Array(16)
  #front = 0
  #size = 0
  #bytes = 0
  #lastIndex = 0
  #dropped = new DroppedEvents()
  /** From and up to which indexes events have been lost, some of which were shown to watchers. */
  #lost: (readonly [from: number, upTo: number])[] = []

  constructor(limits: HistoryLimits) {
    this.#limits = limits
  }

  get limits(): HistoryLimits {
    return this.#limits
  }

  get size(): number {
    return this.#size
  }

  /** The index of the oldest event kept; 0 where there is none. */
  get startIndex(): number {
    return this.#size === 0 ? 0 : this.#indexes[this.#front]
  }

  /** The index of the newest event. */
  get lastIndex(): number {
    return this.#lastIndex
  }

  /** Changes how much is kept; what no longer fits is dropped at once. */
  resize(limits: HistoryLimits): void {
    this.#limits = limits
    this.#trim(0, 0)
  }

  /** @param crowd what {@link DroppedEvents.crowdOf} has told of the directory; 0 if it was not asked */
  add(event: Event | FileChange, crowd = 0): void {
    const bytes = sizeOf(event)
    this.#trim(1, bytes)
    if (this.#size === this.#ring.length) this.#grow()
    const place = (this.#front + this.#size) & (this.#ring.length - 1)
    this.#ring[place] = event
    this.#sizes[place] = bytes
    this.#indexes[place] = event.index
    this.#crowds[place] = crowd
    this.#size++
    this.#bytes += bytes
    this.#lastIndex = event.index
  }

  /**
   * The first event kept, at or after an index, that a watcher of `path` sees.
   *
   * @throws StoreError EVENTINDEXCLEARED if one that it would have seen was dropped
   */
  find(path: string, recursive: boolean, since: number, storeIndex: number): Event | undefined {
    this.assertKept(path, recursive, since, storeIndex)
    if (since > this.#lastIndex) return undefined
    for (let i = this.#position(since); i < this.#size; i++) {
      if (isWatched(this.#entry(i), path, recursive)) return this.#at(i)
    }
    return undefined
  }

  /**
   * @throws StoreError EVENTINDEXCLEARED if an event at or after `since` that a watcher of `path`
   * would have seen was dropped
   */
  assertKept(path: string, recursive: boolean, since: number, storeIndex: number): void {
    const start = this.startIndex
    if (!this.#followsLost(since)) {
      if (since >= start && this.#size > 0) return
      if (!this.#dropped.hasSince(path, recursive, since)) return
    }
    const cause = `the requested history has been cleared [${start}/${since}]`
    throw new StoreError(401, cause, storeIndex)
  }

  /** Whether who wants this index next has seen an event that is lost: not so the first of them. */
  #followsLost(since: number): boolean {
    return this.#lost.some(([from, upTo]) => since > from && since <= upTo)
  }

  /** All events kept, oldest first. */
  *[Symbol.iterator](): Iterator<Event> {
    for (let i = 0; i < this.#size; i++) yield this.#at(i)
  }

  /**
   * Events in order.
   *
   * @param since the first index wanted
   * @param limit how many at the most
   */
  slice(since: number, limit: number): Event[] {
    const from = this.#position(since)
    const count = Math.min(limit, this.#size - from)
    return Array.from({ length: count }, (_, i) => this.#at(from + i))
  }

  /** The ranges of indexes that {@link lose} was told of. */
  get lost(): readonly (readonly [from: number, upTo: number])[] {
    return this.#lost
  }

  /**
   * Declares events lost that may have been shown: who has seen one of them may not go on from
   * there, for what it knows is not so any more.
   */
  lose(from: number, upTo: number): void {
    this.#lost.push([from, upTo])
  }

  /** What it remembers of the events that it has dropped. */
  get dropped(): DroppedEvents {
    return this.#dropped
  }

  /** Makes a history, empty so far, remember what another one had dropped. */
  adoptDropped(dropped: DroppedEvents): void {
    this.#dropped = dropped
  }

  /** Declares what came before the first event to be dropped, no one knows where. */
  forgetUpTo(index: number): void {
    this.#dropped.addAllUpTo(index)
    if (this.#lastIndex < index) this.#lastIndex = index
  }

  clone(): EventHistory {
    const copy = new EventHistory(this.#limits)
    copy.#ring = [...this.#ring]
    copy.#sizes = this.#sizes.slice()
    copy.#indexes = this.#indexes.slice()
    copy.#crowds = new Int32Array(this.#crowds.length)
    copy.#front = this.#front
    copy.#size = this.#size
    copy.#bytes = this.#bytes
    copy.#lastIndex = this.#lastIndex
    copy.#dropped = this.#dropped.clone()
    copy.#lost = [...this.#lost]
    return copy
  }

  #at(i: number): Event {
    const entry = this.#entry(i)
    return entry instanceof FileChange ? entry.toEvent() : entry
  }

  #entry(i: number): Event | FileChange {
    // The ring's length is a power of two, and `i` is below the size.
    return this.#ring[(this.#front + i) & (this.#ring.length - 1)] as Event | FileChange
  }

  /** Where the first event at or after an index stands (indexes may have gaps). */
  #position(index: number): number {
    let low = 0
    let high = this.#size
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#indexes[(this.#front + middle) & (this.#ring.length - 1)] < index) low = middle + 1
      else high = middle
    }
    return low
  }

  #trim(roomForEvents: number, roomForBytes: number): void {
    while (
      this.#size > 0 &&
      (this.#size + roomForEvents > this.#limits.events ||
        this.#bytes + roomForBytes > this.#limits.bytes)
    ) {
      const place = this.#front
      const event = this.#ring[place] as Event | FileChange
      this.#ring[place] = undefined
      this.#bytes -= this.#sizes[place]
      this.#front = (place + 1) & (this.#ring.length - 1)
      this.#size--
      const crowd = this.#crowds[place]
      if (crowd === 0 || !this.#dropped.addCrowded(crowd, this.#indexes[place])) {
        this.#dropped.add(event)
      }
    }
  }

  /** Makes room for twice as many; the ring is full. */
  #grow(): void {
    const length = this.#size
    const places = Array.from({ length }, (_, i) => (this.#front + i) & (length - 1))
    const sizes = new Float64Array(2 * length)
    const indexes = new Float64Array(2 * length)
    const crowds = new Int32Array(2 * length)
    for (const [i, place] of places.entries()) {
      sizes[i] = this.#sizes[place]
      indexes[i] = this.#indexes[place]
      crowds[i] = this.#crowds[place]
    }
    this.#ring = places.map((place) => this.#ring[place]).concat(new Array(length))
    this.#sizes = sizes
    this.#indexes = indexes
    this.#crowds = crowds
    this.#front = 0
  }
}

/**
 * The bytes that an event holds on to. Its previous value counts too: it may be that of an earlier event
 * as well, but after a deletion, or when that event has been dropped, this one alone keeps it.
 */
function sizeOf(event: Event | FileChange): number {
  if (event instanceof FileChange) {
    return event.key.length + event.value.length + event.prevValue.length
  }
  const { node, prevNode } = event
  return node.key.length + (node.value?.length ?? 0) + (prevNode?.value?.length ?? 0)
}
