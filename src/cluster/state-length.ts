import { eachInSlices } from '../persistence/pace.ts'
import type { Value } from '../store/value.ts'
import { ClusterError } from './cluster-error.ts'

/**
 * Counts a state before any of it is written: what is put into etcd in vain takes room there until etcd is compacted.
 *
 * @param pieces of the state, made anew each time
 * @param maxBytes that a node can load
 * @throws ClusterError if it is longer
 */
export async function checkLoadable(pieces: Iterable<Value>, maxBytes: number): Promise<void> {
  let bytes = 0
  await eachInSlices(pieces, ({ length }) => {
    bytes += length
    if (bytes > maxBytes) {
      throw new ClusterError(`the tree is longer than the ${maxBytes} bytes that a node can load`)
    }
  })
}
