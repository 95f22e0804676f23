import { LEVEL_BYTES } from '../metrics/memory-gauge.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Store } from '../store/store.ts'
import { LARGE_VALUE_BYTES } from '../store/value.ts'
import { CommandError } from './arguments/errors.ts'
import type { Find } from './copy-bounds.ts'

/*
 * The problem: a node of a group asks whether its heap has room for a long request, and others write before the request has its place
 * in the log. With one long MSET at each of three nodes each had room, and all together had not: V8 ended every node, and did so again
 * at each start, because the log had more than fits.
 *
 * So the log has how many nodes the tree may have when such a request runs: as many as when it was judged, and a few more. All nodes
 * leave the request out alike if the tree has more.
 */

/**
 * A request that may take more than this share of the heap depends on how large the tree is when it runs. All writes of a node that
 * are on their way may take as much together, as they depend on nothing: what is kept free of the heap is enough for those of nine nodes.
 */
export const LONG_SHARE = 1 / 64

/** What a node of others may take of the heap: with a value that is just no Buffer. */
const NODE_BYTES = LEVEL_BYTES + LARGE_VALUE_BYTES

/**
 * How many nodes the tree may have when a request, or an EXEC of some, runs in a log's order.
 *
 * @param heapLimit of this process, in bytes
 * @returns undefined if that does not matter, because they take little
 */
export function mostNodes(
  requests: readonly RequestArguments[],
  find: Find,
  store: Store,
  heapLimit: number,
): number | undefined {
  const most = heapLimit * LONG_SHARE
  let bytes = 0
  for (const args of requests) bytes += find(args)?.takesOfHeap(args, store) ?? 0
  return bytes > most ? store.nodes + Math.floor(most / NODE_BYTES) : undefined
}

/** The refusal of a request before which others have made the tree larger than it may be. */
export function grownMeanwhile(): CommandError {
  return new CommandError('ERR others have made the tree much larger meanwhile, try again')
}
