import { component, scanComponent } from './name-hash.ts'
import type { DirectoryNode, Node } from './node.ts'
import { firstComponent } from './path.ts'

/** So many paths are followed side by side. */
const GROUP = 64
/** Longer paths are not followed: reading them twice would cost more than it saves. */
const LONGEST = 256

// Where each path of a group has come to; kept, so that a group makes no garbage.
const paths = new Array<string>(GROUP).fill('')
const starts = new Int32Array(GROUP)
const hashes = new Int32Array(GROUP)
const directories = new Array<DirectoryNode | undefined>(GROUP).fill(undefined)
const nodes = new Array<Node | undefined>(GROUP).fill(undefined)

/** What the walks have read; without a use of it the compiler would leave the reading out. */
let read = 0

/**
 * Follows the paths of many requests side by side, step by step, and changes nothing: so that all
 * that their look-ups will read is in the cache when they come. One look-up waits for the memory
 * three to five times, each time for what the wait before has brought; of many at once the
 * processor does the waiting at one go.
 *
 * @param requests with the path, if there is one, as the first argument; anything else does no harm
 */
export function prefetch(root: DirectoryNode, requests: readonly (readonly string[])[]): void {
  for (let from = 0; from < requests.length; from += GROUP) {
    let count = begin(root, requests, from, Math.min(requests.length, from + GROUP))
    while (count > 0) count = step(count)
  }
}

/** @returns how many paths there are to follow */
function begin(
  root: DirectoryNode,
  requests: readonly (readonly string[])[],
  from: number,
  to: number,
): number {
  let count = 0
  for (let i = from; i < to; i++) {
    const request = requests[i]
    if (request.length < 2 || request[1].length > LONGEST) continue
    paths[count] = request[1]
    starts[count] = firstComponent(request[1])
    directories[count++] = root
  }
  return count
}

/**
 * Goes one level down. Each loop reads what the one before has asked for, and so none of its rounds
 * waits for another.
 *
 * @returns how many paths go on
 */
function step(count: number): number {
  for (let i = 0; i < count; i++) {
    scanComponent(paths[i], starts[i])
    starts[i] = component.end + 1
    hashes[i] = component.hash
    read += (directories[i] as DirectoryNode).children.slotAt(component.hash)
  }
  for (let i = 0; i < count; i++) {
    nodes[i] = (directories[i] as DirectoryNode).children.likely(hashes[i])
  }
  let left = 0
  for (let i = 0; i < count; i++) {
    const node = nodes[i]
    if (node === undefined) continue
    read = (read + node.name.length) | 0
    if (!node.dir) {
      read = (read + node.value.length) | 0
    } else if (starts[i] < paths[i].length) {
      paths[left] = paths[i]
      starts[left] = starts[i]
      directories[left++] = node
    }
  }
  return left
}
