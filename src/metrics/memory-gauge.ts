import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Value } from '../store/value.ts'

/** A request that grows the tree takes about this much memory besides its arguments' bytes. */
const REQUEST_OVERHEAD_BYTES = 256
/** Between two measurements the tree grows by at least this much. */
const MIN_STEP_BYTES = 64 * 1024
/** The share of all time that garbage collection may take. */
const MAX_COLLECTION_SHARE = 0.1
/** Writes are refused above this multiple of the limit, even if part of the memory is garbage. */
const MAX_GARBAGE_FACTOR = 1.25

let collectGarbage: (() => void) | undefined

/**
 * Measures the memory in use, and compares it with `maxmemory`. It measures seldom, because V8 takes
 * microseconds to report. V8's figure includes garbage, so garbage is collected before writes are
 * refused.
 */
export class MemoryGauge {
  /** Bytes; 0 for no limit. */
  #limit = 0
  #exceeded = false
  #used = 0
  /** Bytes in use after the last garbage collection. */
  #live = 0
  #peak = 0
  /** Bytes in use at the start. */
  readonly startup: number
  /** Bytes that requests may have added since the last measurement. */
  #added = 0
  /** Added bytes after which memory is measured again. */
  #step = 0
  /** The earliest next garbage collection, in milliseconds since the process began. */
  #collectAt = 0

  constructor() {
    this.startup = this.measure()
  }

  /** Whether `maxmemory` sets a limit. */
  get limited(): boolean {
    return this.#limit > 0
  }

  /** The most bytes in use at any measurement. */
  get peak(): number {
    return this.#peak
  }

  /** `maxmemory` in bytes; 0 for no limit. */
  set limit(bytes: number) {
    this.#limit = bytes
    this.survey()
  }

  /** Whether to refuse a request that takes memory. */
  isExceeded(args: readonly Value[]): boolean {
    this.#added += REQUEST_OVERHEAD_BYTES
    for (const arg of args) this.#added += arg.length
    if (this.#added >= this.#step) this.survey()
    return this.#exceeded
  }

  /** Whether a request may make the server keep this many bytes, about. */
  hasRoomFor(bytes: number): boolean {
    if (this.#limit === 0 || bytes < MIN_STEP_BYTES) return true
    this.measure()
    if (this.#used + bytes > this.#limit && performance.now() >= this.#collectAt) this.collect()
    return this.#used + bytes <= this.#limit
  }

  /** Measures the bytes in use; takes some microseconds. */
  measure(): number {
    const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
    this.#used = heap + external
    this.#peak = Math.max(this.#peak, this.#used)
    return this.#used
  }

  /** Measures, and decides whether writes are refused. Called every second, and as the tree grows. */
  survey(): void {
    this.#added = 0
    const used = this.measure()
    if (this.#limit === 0 || used <= this.#limit) this.#exceeded = false
    else {
      if (performance.now() >= this.#collectAt) this.collect()
      this.#exceeded = this.#live > this.#limit || this.#used > MAX_GARBAGE_FACTOR * this.#limit
    }
    this.#step = Math.max(MIN_STEP_BYTES, (this.#limit - this.#used) / 4)
  }

  /** Collects garbage, while all clients wait. */
  collect(): void {
    const start = performance.now()
    collectGarbage ??= garbageCollector()
    collectGarbage()
    const end = performance.now()
    this.#collectAt = end + (end - start) / MAX_COLLECTION_SHARE
    this.#live = this.measure()
  }
}

/** V8's function, which exists only with the flag `--expose-gc`. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}
