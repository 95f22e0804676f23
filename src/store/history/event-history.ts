import { StoreError } from '../errors.ts'
import { type Event, keyOf } from '../event.ts'
import type { Value } from '../value.ts'
import { DroppedEvents } from './dropped-events.ts'
import { eventBytes, SHORT_EVENT_BYTES } from './event-bytes.ts'
import { EventLookup } from './event-lookup.ts'
import { EventRing } from './event-ring.ts'
import { LargeMemory } from './large-memory.ts'
import { LeavingEvents } from './leaving-events.ts'
import { ownKey } from './own-key.ts'
import { isWatched } from './watched.ts'

/** After going through this many times as many events as there are, it is time for an {@link EventLookup}. */
const SEARCHES_PER_LOOKUP = 16

/** And where the paths are too deep for it, after so many times as many. */
const SEARCHES_PER_TRY = 1000

/** In a history that has so many events, each has a key of its own. */
const MANY_EVENTS = 4096

/** A write, or a watcher that asks, has the paths of this number of dropped events remembered at once. */
const REMEMBERED_AT_ONCE = 4096

/** And where more wait for that, each write of this number. */
const REMEMBERED_PER_WRITE = 16

/**
 * Values that events share count once as memory, but a checkpoint, KSAVE, and a server that starts have them
 * once for each event: together the values may have this many times the bytes of the limit. If none were
 * shared, they would have twice as many, because most are the value before in the next event.
 */
const WRITTEN_FACTOR = 4

/** Lower limits drop this number of events at once: dropping ten million takes more than a second. */
const DROPPED_AT_ONCE = 65_536

/** A history that takes no more than this need not give way to anything. */
const MIN_BYTES = 1024 * 1024

/** The size of a history. */
export interface HistoryLimits {
  /** The most events. */
  events: number
  /** The most memory that those events take, in bytes, about. */
  bytes: number
  /**
   * Whether other nodes have the same history: an event then counts with the lengths of its key and its
   * values. What memory the values lie in, and what shares it, differs from node to node.
   */
  isShared?: boolean
}

/** The last events in order of index. Older events are dropped. */
export class EventHistory {
  #limits: HistoryLimits
  /** The limits or, while events that exceed these are dropped bit by bit, what there is. */
  #present: HistoryLimits
  #ring = new EventRing()
  /** How many bytes the events take. */
  #bytes = 0
  readonly #memory = new LargeMemory()
  #lastIndex = 0
  #dropped = new DroppedEvents()
  /** Dropped after those. */
  #leaving = new LeavingEvents()
  /** Dropped events after this index are left to others: finite while a request makes very many. */
  #laterFrom = Number.POSITIVE_INFINITY
  /** Finds events for those who resume, if many do. */
  #lookup: EventLookup | undefined
  /** How many events were gone through since the lookup was last of use. */
  #searched = 0
  /** How many events were gone through in all. */
  looks = 0
  #stoppedAt = 0
  /** How many events were added since the lookup was made, and since it was last used. */
  #addedToLookup = 0
  #addedSinceUse = 0
  /** Ranges of indexes whose events were lost, although watchers may have seen them. */
  #lost: (readonly [from: number, upTo: number])[] = []

  constructor(limits: HistoryLimits) {
    this.#limits = this.#present = limits
  }

  get limits(): HistoryLimits {
    return this.#limits
  }

  /** How many bytes of memory the events take, about. */
  get bytes(): number {
    return this.#bytes
  }

  get size(): number {
    return this.#ring.size
  }

  /** The index of the oldest event kept; 0 if there is none. */
  get startIndex(): number {
    return this.#ring.size === 0 ? 0 : this.#ring.frontIndex
  }

  /** The index of the newest event. */
  get lastIndex(): number {
    return this.#lastIndex
  }

  /**
   * Changes the limits. Of the events that no longer fit, many are dropped at once; until all others have been, by
   * {@link remember}, no more come in than leave.
   */
  resize(limits: HistoryLimits): void {
    this.#limits = limits
    this.#narrow(DROPPED_AT_ONCE)
  }

  /** Drops many of the oldest events, if all take a lot, because memory is short. Does nothing to a shared history. */
  giveWay(): void {
    if (this.#limits.isShared === true) return
    this.#drop(DROPPED_AT_ONCE, 0, { events: Number.POSITIVE_INFINITY, bytes: MIN_BYTES })
  }

  /**
   * @param crowd the result of {@link DroppedEvents.crowdOf} for the directory; 0 if unknown; of a directory that has been
   * moved with very many nodes, how many, negative
   */
  add(event: Event, crowd = 0): void {
    const { overwrite } = event
    const value = overwrite === undefined ? event.node.value : overwrite.value
    const prevValue = overwrite === undefined ? event.prevNode?.value : overwrite.prevValue
    const { isShared } = this.#limits
    const lengthOf = isShared === true ? anyLength : smallLength
    const overhead = overwrite === undefined ? eventBytes(event) : SHORT_EVENT_BYTES
    const bytes = overhead + keyOf(event).length + lengthOf(value) + lengthOf(prevValue)
    this.#bytes += bytes
    if (isShared !== true) {
      if (isLarge(value)) this.#bytes += this.#memory.hold(value, event.index)
      if (isLarge(prevValue)) this.#bytes += this.#memory.hold(prevValue, event.index)
    }
    this.#trim(1)
    if (this.#ring.size >= MANY_EVENTS) ownKey(event)
    this.#ring.push(event, bytes, crowd)
    this.#lastIndex = event.index
    if (this.#lookup !== undefined) this.#addToLookup(event)
  }

  /**
   * The first event kept, at or after an index, that a watcher of `path` sees.
   *
   * @param limit the most events that are looked at; see {@link stoppedAt}
   * @throws StoreError EVENTINDEXCLEARED if an event that the watcher would have seen was dropped
   */
  find(
    path: string,
    recursive: boolean,
    since: number,
    storeIndex: number,
    limit = Number.POSITIVE_INFINITY,
  ): Event | undefined {
    this.#stoppedAt = 0
    if (since > storeIndex) return undefined
    this.assertKept(path, recursive, since, storeIndex)
    if (since > this.#lastIndex) return undefined
    if (this.#lookup === undefined && this.#searched > SEARCHES_PER_LOOKUP * this.#ring.size) {
      this.#makeLookup()
    }
    if (this.#lookup === undefined) return this.#search(path, recursive, since, limit)
    this.#addedSinceUse = 0
    const from = Math.max(since, this.startIndex)
    const index = this.#lookup.first(path, recursive, from)
    return index === undefined ? undefined : this.#ring.at(this.#position(index))
  }

  /**
   * @throws StoreError EVENTINDEXCLEARED if an event at or after `since` was dropped that a watcher
   * of `path` would have seen
   */
  assertKept(path: string, recursive: boolean, since: number, storeIndex: number): void {
    const start = this.startIndex
    if (!this.#followsLost(since)) {
      if (since >= start && this.#ring.size > 0) return
      if (!this.#leaving.isEmpty) this.remember(REMEMBERED_AT_ONCE)
      const isRemembered = this.#leaving.isEmpty || since > this.#leaving.lastIndex
      if (isRemembered && !this.#dropped.hasSince(path, recursive, since)) return
    }
    const cause = `the requested history has been cleared [${start}/${since}]`
    throw new StoreError(401, cause, storeIndex)
  }

  /**
   * Whether a watcher that wants this index next has seen a lost event. A watcher that wants the first
   * lost index has not.
   */
  #followsLost(since: number): boolean {
    return this.#lost.some(([from, upTo]) => since > from && since <= upTo)
  }

  /** All events kept, oldest first. */
  *[Symbol.iterator](): Iterator<Event> {
    for (let i = 0; i < this.#ring.size; i++) yield this.#ring.at(i)
  }

  /**
   * Events in order.
   *
   * @param since the first index wanted
   * @param limit the most events
   */
  slice(since: number, limit: number): Event[] {
    return this.#ring.slice(this.#position(since), limit)
  }

  /** The ranges of indexes that {@link lose} was called with. */
  get lost(): readonly (readonly [from: number, upTo: number])[] {
    return this.#lost
  }

  /**
   * Declares that events are lost, although watchers may have seen them. A watcher that has seen
   * one of them may not go on from there, because what it knows is no longer true.
   */
  lose(from: number, upTo: number): void {
    this.#lost.push([from, upTo])
  }

  /** The memory of the events that were dropped, up to {@link rememberedUpTo}. */
  get dropped(): DroppedEvents {
    return this.#dropped
  }

  /** Up to this index, {@link dropped} knows of all events that are not kept. @param storeIndex the store's index */
  rememberedUpTo(storeIndex: number): number {
    if (!this.#leaving.isEmpty) return this.#leaving.firstIndex - 1
    return this.#ring.size === 0 ? storeIndex : this.startIndex - 1
  }

  /** Whether {@link remember} has something to do. */
  get needsRemember(): boolean {
    return !this.#leaving.isEmpty || this.#isNarrowed
  }

  /**
   * Remembers where events were that have been dropped. Every write does a little of it; a server does the rest when
   * idle. So are events dropped that lower limits have no room for.
   *
   * @param limit the most events
   * @returns whether some are left
   */
  remember(limit: number): boolean {
    if (this.#isNarrowed) this.#narrow(limit)
    this.#leaving.moveTo(this.#dropped, limit)
    return this.needsRemember
  }

  /**
   * Whether writes leave what is dropped from now on to others: set by a request that makes very many, because all others
   * wait for it. Its writes remember what others have left, so that what waits is bounded by the length of a request.
   */
  set remembersLater(isLater: boolean) {
    const last = this.#leaving.isEmpty ? 0 : this.#leaving.lastIndex
    this.#laterFrom = isLater ? last : Number.POSITIVE_INFINITY
  }

  /** Makes an empty history remember the events that another one had dropped. */
  adoptDropped(dropped: DroppedEvents): void {
    this.#dropped = dropped
  }

  /** Declares all events up to an index dropped, at unknown paths. */
  forgetUpTo(index: number): void {
    this.#dropped.addAllUpTo(index)
    this.endAt(index)
  }

  /** Declares that the last event, which was dropped, had at least this index. */
  endAt(index: number): void {
    if (this.#lastIndex < index) this.#lastIndex = index
  }

  clone(): EventHistory {
    const copy = new EventHistory(this.#limits)
    copy.#ring = this.#ring.clone()
    copy.#bytes = this.#bytes
    copy.#present = this.#present
    if (!this.#memory.isEmpty) for (const event of this) copy.#memory.holdAll(event)
    copy.#lastIndex = this.#lastIndex
    copy.#dropped = this.#dropped.clone()
    copy.#leaving = this.#leaving.clone()
    copy.#lost = [...this.#lost]
    return copy
  }

  /** The index of the event at which the last {@link find} had to stop; 0 if it did not have to. */
  get stoppedAt(): number {
    return this.#stoppedAt
  }

  /** How many events a {@link find} from an index on looks at. */
  looksFrom(since: number): number {
    return this.#lookup === undefined ? this.#ring.size - this.#position(since) : 0
  }

  #search(path: string, recursive: boolean, since: number, limit: number): Event | undefined {
    const from = this.#position(since)
    const end = Math.min(this.#ring.size, from + limit)
    let i = from
    while (i < end && !isWatched(this.#ring.at(i), path, recursive)) i++
    this.#searched += i - from
    this.looks += i - from
    if (i === this.#ring.size) return undefined
    const event = this.#ring.at(i)
    if (i < end) return event
    this.#stoppedAt = event.index
    return undefined
  }

  #makeLookup(): void {
    this.#lookup = EventLookup.of(this)
    this.#addedToLookup = this.#addedSinceUse = 0
    // What cannot be made takes some time each time it is tried.
    this.#searched = this.#lookup === undefined ? -SEARCHES_PER_TRY * this.#ring.size : 0
  }

  #addToLookup(event: Event): void {
    const isUsed = ++this.#addedSinceUse <= this.#ring.size
    if (!isUsed || this.#lookup?.add(event) !== true) this.#lookup = undefined
    // Half of what it has are events that have been dropped.
    else if (++this.#addedToLookup > this.#ring.size) this.#makeLookup()
  }

  /** The position of the first event at or after an index; indexes may have gaps. */
  #position(index: number): number {
    let low = 0
    let high = this.#ring.size
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#ring.indexAt(middle) < index) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Whether there are events that the limits, which have been lowered, have no room for. */
  get #isNarrowed(): boolean {
    return this.#present !== this.#limits
  }

  /** Drops events that the limits have no room for. @param most so many at most */
  #narrow(most: number): void {
    this.#drop(most, 0, this.#limits)
    const isDone = !this.#exceeds(this.#limits, 0)
    this.#present = isDone
      ? this.#limits
      : { events: this.#ring.size, bytes: Math.max(this.#bytes, this.#limits.bytes) }
  }

  /** @param coming how many events are about to be added: their bytes count already */
  #trim(coming: number): void {
    const isWaiting = !this.#leaving.isEmpty && this.#leaving.firstIndex <= this.#laterFrom
    if (isWaiting || this.#isNarrowed) this.remember(REMEMBERED_PER_WRITE)
    this.#drop(Number.POSITIVE_INFINITY, coming, this.#present)
  }

  #exceeds({ events, bytes }: HistoryLimits, coming: number): boolean {
    const { size } = this.#ring
    if (size === 0) return false
    if (size + coming > events || this.#bytes > bytes) return true
    return this.#memory.length > WRITTEN_FACTOR * bytes
  }

  /** Drops the oldest events until the others are within limits. @param most so many at most */
  #drop(most: number, coming: number, limits: HistoryLimits): void {
    const ring = this.#ring
    const isLater = this.#laterFrom !== Number.POSITIVE_INFINITY
    let atOnce = !isLater && this.#leaving.isEmpty ? REMEMBERED_AT_ONCE : 0
    for (let left = most; left > 0 && this.#exceeds(limits, coming); left--) {
      const { frontCrowd: crowd, frontIndex: index } = ring
      this.#bytes -= ring.frontBytes
      const event = ring.shift()
      if (!this.#memory.isEmpty) this.#bytes -= this.#memory.releaseAll(event)
      if (atOnce-- <= 0) this.#leaving.push(event)
      else if (crowd < 0) this.#dropped.addMoved(event, -crowd)
      else if (crowd === 0 || !this.#dropped.addCrowded(crowd, index)) this.#dropped.add(event)
    }
  }
}

function isLarge(value: Value | undefined): value is Buffer {
  return typeof value === 'object'
}

function smallLength(value: Value | undefined): number {
  return typeof value === 'string' ? value.length : 0
}

function anyLength(value: Value | undefined): number {
  return value === undefined ? 0 : value.length
}
