import type { MemoryGauge } from '../metrics/memory-gauge.ts'
import type { Client } from './client.ts'

const MAX_BYTES = 256 * 1024 * 1024
/** Or this share of the heap, where lists are kept until they are sent. */
const HEAP_SHARE = 1 / 8

/**
 * How many bytes the replies of one EXEC may have together, because they are gathered before they are sent.
 * Values that are not copied do not count.
 */
export function mostReplyBytes({ heapLimit }: MemoryGauge): number {
  return Math.min(MAX_BYTES, Math.floor(heapLimit * HEAP_SHARE))
}

/** Nothing of an EXEC has run yet that is bounded. */
export function beginExecuting(client: Client): void {
  client.executing = true
  client.movedNodes = 0
  client.copiedBytes = 0
}
