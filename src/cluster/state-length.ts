import { setImmediate } from 'node:timers/promises'
import type { Value } from '../store/value.ts'
import { ClusterError } from './cluster-error.ts'

/** Counting goes on for so long in one turn, in milliseconds, about. */
const SLICE_MS = 10

/**
 * Counts a state before any of it is written: what is put into etcd in vain takes room there until etcd is compacted.
 *
 * @param pieces of the state, made anew each time
 * @param maxBytes that a node can load
 * @throws ClusterError if it is longer
 */
export async function checkLoadable(pieces: Iterable<Value>, maxBytes: number): Promise<void> {
  let bytes = 0
  let end = performance.now() + SLICE_MS
  for (const piece of pieces) {
    bytes += piece.length
    if (bytes > maxBytes) {
      throw new ClusterError(`the tree is longer than the ${maxBytes} bytes that a node can load`)
    }
    if (performance.now() < end) continue
    await setImmediate()
    end = performance.now() + SLICE_MS
  }
}
