/**
 * The problem: V8 starts a full collection when the old objects have grown to a few times what the last one
 * left, and counts the Buffers of large values with them. A heap of 9 MB with a few thousand nodes may so
 * grow by 30 MB: with values of 100 KB that is a full collection for every 500 writes, of 15 ms of
 * processor time each, most of it on helper threads that take the processor from clients.
 *
 * The trick: `--heap-growing-percent`, which V8 reads at the end of each full collection, is set so that a
 * small heap may grow by {@link GROWTH_BYTES}. A heap that has become larger has V8's own rule.
 *
 * The price: that much garbage may lie about, outside of a heap that is small. It depends on a flag of V8 that
 * is not documented; without it, nothing changes.
 *
 * Gain: docs/decisions/0019. Can be deleted by not calling `growHeapFreely`.
 *
 * @module
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { oldSpaceLimit } from '../metrics/heap-limit.ts'

/** How much a small heap may grow before the next full collection. */
const GROWTH_BYTES = 128 * 1024 ** 2
/** A heap of this size may grow by as much by V8's own rule. */
const MAX_SMALL_HEAP_BYTES = 64 * 1024 ** 2
/** Where V8's limit is lower than this, memory is scarce, and V8 decides. */
const MIN_LIMIT_BYTES = 1024 ** 3
const CHECK_INTERVAL_MS = 1000

/** By how many percent a heap of this size may grow; 0 leaves it to V8. */
export function growingPercent(heapBytes: number, limitBytes: number): number {
  if (heapBytes > MAX_SMALL_HEAP_BYTES || limitBytes < MIN_LIMIT_BYTES) return 0
  // In steps of an eighth of the heap, so that the flag is seldom set anew.
  const step = 2 ** Math.floor(Math.log2(Math.max(heapBytes, 1024 ** 2) / 8))
  return Math.floor((100 * GROWTH_BYTES) / (Math.ceil(heapBytes / step) * step))
}

/**
 * Lets the heap of this process grow more freely while it is small, from a second from now on, when all code has
 * been loaded: V8 takes no compiled code that was made with other flags.
 */
export function growHeapFreely(): void {
  let percent = 0
  const limit = oldSpaceLimit()
  const check = (): void => {
    const wanted = growingPercent(getHeapStatistics().used_heap_size, limit)
    if (wanted === percent) return
    percent = wanted
    setFlagsFromString(`--heap-growing-percent=${percent}`)
  }
  setInterval(check, CHECK_INTERVAL_MS).unref()
}
