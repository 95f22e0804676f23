import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** About what a request that grows the tree takes beside its arguments' bytes. */
const REQUEST_BYTES = 256
/** Memory is measured again after so many bytes at the earliest. */
const MIN_STEP = 64 * 1024
/** Collecting garbage may take this part of all time. */
const COLLECTION_SHARE = 0.1
/** Above the limit by so much, garbage or not, writes are refused. */
const TOLERANCE = 1.25

let collectGarbage: (() => void) | undefined

/**
 * How much memory is in use, measured seldom, for V8 takes its time to tell. What it tells includes
 * garbage: before writes are refused, the garbage is collected.
 */
export class MemoryGauge {
  /** Bytes; 0 for no limit. */
  #limit = 0
  #exceeded = false
  #used = 0
  /** What was in use when garbage had been collected last. */
  #live = 0
  #peak = 0
  /** The bytes in use at the start. */
  readonly startup: number
  /** What may have been added since it was last measured, and when to measure again. */
  #added = 0
  #step = 0
  /** No earlier is garbage collected again; of `performance.now()`. */
  #collectAt = 0

  constructor() {
    this.startup = this.measure()
  }

  /** Whether `maxmemory` sets a limit. */
  get limited(): boolean {
    return this.#limit > 0
  }

  /** The highest that has been measured, in bytes. */
  get peak(): number {
    return this.#peak
  }

  set limit(bytes: number) {
    this.#limit = bytes
    this.survey()
  }

  /** Whether a request that takes memory is to be refused. */
  isExceeded(args: readonly string[]): boolean {
    this.#added += REQUEST_BYTES
    for (const arg of args) this.#added += arg.length
    if (this.#added >= this.#step) this.survey()
    return this.#exceeded
  }

  /** The bytes in use now; takes some microseconds. */
  measure(): number {
    const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
    this.#used = heap + external
    this.#peak = Math.max(this.#peak, this.#used)
    return this.#used
  }

  /** Called every second, and in between as the tree grows. */
  survey(): void {
    this.#added = 0
    const used = this.measure()
    if (this.#limit === 0 || used <= this.#limit) this.#exceeded = false
    else {
      if (performance.now() >= this.#collectAt) this.collect()
      this.#exceeded = this.#live > this.#limit || this.#used > TOLERANCE * this.#limit
    }
    this.#step = Math.max(MIN_STEP, (this.#limit - this.#used) / 4)
  }

  /** Collects garbage; everybody waits for it. */
  collect(): void {
    const start = performance.now()
    collectGarbage ??= garbageCollector()
    collectGarbage()
    const end = performance.now()
    this.#collectAt = end + (end - start) / COLLECTION_SHARE
    this.#live = this.measure()
  }
}

/** V8's own, which is there only for those who ask. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}
