import { getHeapSpaceStatistics, getHeapStatistics, type HeapSpaceInfo } from 'node:v8'
import type { Value } from '../store/value.ts'
import { Collector } from './collector.ts'
import { oldSpaceLimit } from './heap-limit.ts'

const MB = 1024 ** 2
/** A request that grows the tree takes about this much memory besides its arguments' bytes. */
export const REQUEST_OVERHEAD_BYTES = 256
/** A new level of a path takes about this much memory, with its place in the level above. */
export const LEVEL_BYTES = 400
/** An argument may be a path of this many levels, each of two bytes: `/d/d/d`. */
const MAX_LEVELS = 1024
/** Between two measurements the tree grows by at least this much. */
export const MIN_STEP_BYTES = 256 * 1024
/** Requests may take more than their arguments tell, so that memory is measured at least this often. */
const MAX_MEASURED_AGE_MS = 10
/** The share of all time that garbage collection may take. */
const MAX_COLLECTION_SHARE = 0.1
/** The same for short collections, which come only where garbage would refuse writes. */
const MAX_SWEEP_SHARE = 0.3
/** Garbage of a larger heap is collected while clients are served. */
const MAX_STOPPED_BYTES = 128 * MB
/** The share of all time that such collections may take. */
const MAX_GENTLE_SHARE = 0.2
/** One that has not ended after this time, in milliseconds, is done in one go. */
const MAX_GENTLE_MS = 60_000
/**
 * Writes are refused above this multiple of `maxmemory`, even if part of the memory is garbage. New objects do not
 * count: V8 lets up to 100 MB of them pile up, which is a large part of a small `maxmemory`.
 */
const MAX_GARBAGE_FACTOR = 1.15
/** The share of the heap that is kept free, because V8 ends the process when its heap is full. */
const FREE_HEAP_SHARE = 0.15
/** In a small heap the share is larger, up to this one, so that the bytes below are kept free. */
const MAX_FREE_HEAP_SHARE = 0.5
const FREE_HEAP_BYTES = 64 * MB
/** Garbage may take this share of the part that is kept free, until it is collected. */
const GARBAGE_SHARE = 0.4
/** Requests that nothing but the end of the heap refuses may take this share of the part that is kept free. */
const RESERVE_SHARE = 0.5
/** Pages may take this share of the part that is kept free, if their objects leave little room. */
const PAGES_SHARE = 0.7
/** Pages are measured one by one at most this often; it takes ten times as long as the heap. */
const MAX_PAGES_AGE_MS = 5
/** The resident memory is read from the system at most this often (Redis): it takes as long as 30 requests. */
const MAX_RESIDENT_AGE_MS = 100
/** Pages with more room than this need not be counted as a whole. */
const MAX_FREE_IN_PAGES_SHARE = 0.2

/**
 * Measures the memory in use, and compares it with two limits: `maxmemory`, and what V8's heap can
 * hold, because V8 ends the process at its limit. It measures seldom, because V8 takes microseconds
 * to report. V8's figure includes garbage, so garbage is collected before writes are refused.
 */
export class MemoryGauge {
  /** Called when the heap is full for the first time, or again. */
  onHeapFull: (() => void) | undefined
  /** Called whenever a measurement finds that memory is short: may set some free. */
  onShort: (() => void) | undefined
  /** Bytes that old objects may take before V8 ends the process. */
  readonly heapLimit: number
  /** Bytes of the heap above which requests that take memory are refused. */
  readonly #heapMost: number
  /** What counts the changes of the tree: without one, there is no new garbage worth collecting. */
  changes: () => number = () => Number.NaN
  #changesAtCollection = 0
  readonly #collector = new Collector()
  /** Bytes; 0 for no limit. */
  #limit = 0
  #exceeded = false
  #heapFull = false
  #reserveTaken = false
  #used = 0
  /** Bytes in use in V8's heap. */
  #heap = 0
  /** Bytes of the pages of V8's heap, those for new objects included. */
  #pages = 0
  /** When the pages were last measured one by one, in milliseconds since the process began. */
  #pagesAt = 0
  #pagesFull = false
  /** Bytes of the process that are in memory. */
  #resident = 0
  /** When that was last read, in milliseconds since the process began. */
  #residentAt = Number.NEGATIVE_INFINITY
  /** Bytes in use after the last garbage collection. */
  #live = 0
  /** Bytes in use in V8's heap after the last garbage collection. */
  #liveHeap = 0
  #peak = 0
  /** Bytes in use at the start. */
  readonly startup: number
  /** Bytes that requests may have added since the last measurement. */
  #added = 0
  /** Added bytes after which memory is measured again. */
  #step = 0
  /** When memory was last measured for a request, in milliseconds since the process began. */
  #measuredAt = 0
  /** The earliest next garbage collection, in milliseconds since the process began. */
  #collectAt = 0
  /** The same for clients that ask for it. */
  #purgeAt = 0
  /** The same for short collections. */
  #sweepAt = 0

  constructor() {
    this.heapLimit = oldSpaceLimit()
    const free = Math.min(MAX_FREE_HEAP_SHARE * this.heapLimit, FREE_HEAP_BYTES)
    this.#heapMost = this.heapLimit - Math.max(FREE_HEAP_SHARE * this.heapLimit, free)
    this.startup = this.measure()
    this.#collector.onEnd = (begunAt) => this.#endGently(begunAt)
  }

  /** The most bytes in use at any measurement. */
  get peak(): number {
    return this.#peak
  }

  /** Bytes in use in V8's heap, at the last measurement. */
  get heapUsed(): number {
    return this.#heap
  }

  /** Bytes of the pages of V8's heap, at the last measurement. */
  get heapTotal(): number {
    return this.#pages
  }

  /** `maxmemory` in bytes; 0 for no limit. */
  set limit(bytes: number) {
    this.#limit = bytes
    this.survey()
  }

  /** Whether the heap was almost full when it was last measured. */
  get isHeapFull(): boolean {
    return this.#heapFull
  }

  /** Why requests that take memory are refused, in Redis's words where Redis has the limit. */
  get reason(): string {
    return this.#heapFull
      ? "OOM command not allowed when used memory > the limit of the process's heap."
      : "OOM command not allowed when used memory > 'maxmemory'."
  }

  /**
   * Whether to refuse a request that takes memory.
   *
   * @param now milliseconds since the process began
   */
  isExceeded(args: readonly Value[], now = performance.now()): boolean {
    this.#note(args, now)
    return this.#exceeded || this.#heapFull
  }

  /**
   * Whether to refuse a request that takes memory, though `maxmemory` refuses none of its kind: half of what is kept free of
   * the heap is taken.
   *
   * @param now milliseconds since the process began
   */
  isReserveTaken(args: readonly Value[], now = performance.now()): boolean {
    this.#note(args, now)
    return this.#reserveTaken
  }

  /** Counts what a request may take, and measures when that is a lot. */
  #note(args: readonly Value[], now: number): void {
    this.#added += REQUEST_OVERHEAD_BYTES
    for (const arg of args) {
      this.#added += arg.length
      // Any string may be a path: to look for its levels would take longer than to measure sooner.
      if (typeof arg === 'string') {
        this.#added += LEVEL_BYTES * Math.min(arg.length >> 1, MAX_LEVELS)
      }
    }
    if (this.#added >= this.#step || now - this.#measuredAt > MAX_MEASURED_AGE_MS) {
      this.#measuredAt = now
      this.survey()
    }
  }

  /** Counts what a request adds that its arguments do not show, so that memory is measured sooner. */
  add(bytes: number): void {
    this.#added += bytes
  }

  /**
   * Whether the heap has room for something large.
   *
   * @param bytes that it may take
   */
  heapHasRoomFor(bytes: number): boolean {
    const most = this.#heapMost - bytes
    this.measure()
    if (this.#heap > most) this.#collectIfDue()
    return this.#heap <= most
  }

  /**
   * Whether the heap has room for what a request that only reads takes for a while: half of what is kept
   * free is for these.
   *
   * @param bytes that it may take
   */
  heapHasRoomToRead(bytes: number): boolean {
    return this.heapHasRoomFor(bytes - (this.heapLimit - this.#heapMost) / 2)
  }

  /** Whether a request may make the server keep this many bytes, about. */
  hasRoomFor(bytes: number): boolean {
    if (bytes < MIN_STEP_BYTES) return true
    if (!this.heapHasRoomFor(bytes)) return false
    if (this.#limit === 0) return true
    if (this.#used + bytes > this.#limit) this.#collectIfDue()
    if (this.#used + bytes <= this.#limit) return true
    // What is not in use may stay until it is collected.
    return (
      this.#live + bytes <= this.#limit && this.#used + bytes <= MAX_GARBAGE_FACTOR * this.#limit
    )
  }

  /** Measures the bytes in use; takes a microsecond. */
  measure(): number {
    const statistics = getHeapStatistics()
    this.#heap = statistics.used_heap_size
    this.#pages = statistics.total_heap_size
    this.#used = this.#heap + statistics.external_memory
    this.#peak = Math.max(this.#peak, this.#used)
    return this.#used
  }

  /** Bytes of the process that are in memory, as they were a moment ago. @param now milliseconds since it began */
  resident(now = performance.now()): number {
    if (now - this.#residentAt > MAX_RESIDENT_AGE_MS) {
      this.#residentAt = now
      this.#resident = process.memoryUsage.rss()
    }
    return this.#resident
  }

  /** Measures, and decides whether writes are refused. Called every second, and as the tree grows. */
  survey(): void {
    this.#added = 0
    this.measure()
    const wasFull = this.#heapFull
    if ((this.#isAbove(this.#limit, 1) || this.#isHeapAbove()) && this.#mayCollect()) {
      this.#collectGently()
    }
    this.#exceeded =
      this.#isAbove(this.#limit, 1) && (this.#live > this.#limit || this.#isGarbageAbove())
    this.#heapFull = this.#isHeapFull()
    const free = this.heapLimit - this.#heapMost
    this.#reserveTaken = this.#heapFull && this.#heap > this.#heapMost + RESERVE_SHARE * free
    if (this.#heapFull && !wasFull) this.onHeapFull?.()
    if (this.#heapFull || this.#exceeded) this.onShort?.()
    const room = this.#heapMost - this.#heap
    const allowed = this.#limit === 0 ? room : Math.min(room, this.#limit - this.#used)
    this.#step = Math.max(MIN_STEP_BYTES, allowed / 4)
  }

  /** Collects garbage, while all clients wait. */
  collect(): void {
    const start = performance.now()
    this.#collector.collect()
    const end = performance.now()
    this.#collectAt = end + (end - start) / MAX_COLLECTION_SHARE
    this.#noteCollected()
  }

  /** Collects garbage; if there may be much, while clients are served. */
  #collectGently(): void {
    const now = performance.now()
    const { begunAt } = this.#collector
    const isLate = begunAt !== undefined && now - begunAt > MAX_GENTLE_MS
    if (isLate || this.#heap <= MAX_STOPPED_BYTES) this.collect()
    else if (begunAt !== undefined) this.#collector.goOn(now)
    else if (this.#isCollectionDue()) this.#collector.begin(now)
  }

  #endGently(begunAt: number): void {
    const end = performance.now()
    this.#collectAt = begunAt + (end - begunAt) / MAX_GENTLE_SHARE
    // V8 frees the bytes of Buffers later, on another thread; a short collection waits for that.
    this.#collector.sweep()
    this.#noteCollected()
    this.survey()
  }

  /** What is left after a collection is in use. */
  #noteCollected(): void {
    this.#live = this.measure()
    this.#liveHeap = this.#heap
    this.#pagesAt = 0
    this.#changesAtCollection = this.changes()
  }

  /** Collects garbage for a client, unless doing so for clients has taken a large share of the time of late. */
  purge(): void {
    const start = performance.now()
    if (start < this.#purgeAt) return
    this.#collectGently()
    const end = performance.now()
    this.#purgeAt = end + (end - start) / MAX_COLLECTION_SHARE
  }

  #collectIfDue(): void {
    if (this.#isCollectionDue()) this.#collectGently()
  }

  #isCollectionDue(): boolean {
    return performance.now() >= this.#collectAt
  }

  #mayCollect(): boolean {
    if (!this.#isCollectionDue()) return false
    return this.changes() !== this.#changesAtCollection || this.#used > 1.02 * this.#live
  }

  #isAbove(limit: number, factor: number): boolean {
    return limit > 0 && this.#used > factor * limit
  }

  #isGarbageAbove(): boolean {
    const most = MAX_GARBAGE_FACTOR * this.#limit
    if (this.#used > most) this.#sweepIfDue()
    return this.#used > most && this.#used - newBytes() > most
  }

  /** Collects new objects, in about a millisecond; those that stay are old then. */
  #sweepIfDue(): void {
    const start = performance.now()
    if (start < this.#sweepAt) return
    this.#collector.sweep()
    const end = performance.now()
    this.#sweepAt = end + (end - start) / MAX_SWEEP_SHARE
    this.measure()
  }

  /** Whether the heap, garbage included, has reached what is kept free. */
  #isHeapAbove(): boolean {
    return this.#heap > this.#heapMost || this.#arePagesFull()
  }

  #isHeapFull(): boolean {
    if (this.#arePagesFull()) return true
    if (this.#heap <= this.#heapMost) return false
    const free = this.heapLimit - this.#heapMost
    return this.#liveHeap > this.#heapMost || this.#heap > this.#heapMost + GARBAGE_SHARE * free
  }

  /**
   * Whether the pages of V8 take nearly all of the heap, and have little room: of a page of 256 KB,
   * two values of 100 KB leave a fifth that only small objects can use.
   */
  #arePagesFull(): boolean {
    if (this.#pages < this.#heapMost) return false
    const now = performance.now()
    if (now - this.#pagesAt < MAX_PAGES_AGE_MS) return this.#pagesFull
    this.#pagesAt = now
    this.#pagesFull = this.#measurePages()
    return this.#pagesFull
  }

  #measurePages(): boolean {
    let size = 0
    let free = 0
    for (const space of getHeapSpaceStatistics()) {
      if (isForNew(space)) continue
      size += space.space_size
      free += space.space_available_size
    }
    const most = this.#heapMost + PAGES_SHARE * (this.heapLimit - this.#heapMost)
    return size > most && free < MAX_FREE_IN_PAGES_SHARE * size
  }
}

/** Bytes of objects that no collection has seen yet, or one; takes ten microseconds. */
function newBytes(): number {
  let bytes = 0
  for (const space of getHeapSpaceStatistics()) if (isForNew(space)) bytes += space.space_used_size
  return bytes
}

const isForNew = (space: HeapSpaceInfo): boolean => space.space_name.startsWith('new_')
