import type { DirectoryNode, Lease, Node } from './node.ts'
import { byLease, type TtlHeap } from './ttl-heap.ts'

/**
 * Finds the children of a directory that are due. All that are due in the tree are gathered once for
 * many directories: an EXEC can ask thousands of times while hundreds of thousands of keys are due.
 */
export class DueChildren {
  #cutoff = Number.NaN
  #byParent = new Map<DirectoryNode, Set<Node>>()

  /**
   * The children of a directory that have expired, oldest first.
   *
   * @param cutoff Unix milliseconds
   */
  of(directory: DirectoryNode, cutoff: number, heap: TtlHeap): Node[] {
    const first = heap.top()
    if (directory.children.size === 0 || first === undefined || first.expireTime > cutoff) return []
    if (this.#cutoff !== cutoff) this.#gather(cutoff, heap)
    const found = this.#byParent.get(directory)
    if (found === undefined) return []
    // Some may have been removed meanwhile, or have been given another lease: they are not looked at again.
    for (const node of found) {
      if (node.parent !== directory || !isDue(node.lease, cutoff)) found.delete(node)
    }
    if (found.size === 0) this.#byParent.delete(directory)
    return [...found].sort(byLease)
  }

  /** Must be told of each new lease of a node in the tree. @param expireTime Unix milliseconds */
  added(node: Node, expireTime: number): void {
    if (expireTime <= this.#cutoff) this.#add(node)
  }

  /** Lets go of the nodes. */
  forget(): void {
    if (Number.isNaN(this.#cutoff)) return
    this.#cutoff = Number.NaN
    this.#byParent = new Map()
  }

  #gather(cutoff: number, heap: TtlHeap): void {
    this.#byParent = new Map()
    this.#cutoff = cutoff
    for (const { node } of heap.due(cutoff)) this.#add(node)
  }

  #add(node: Node): void {
    const { parent } = node
    if (parent === null) return
    const known = this.#byParent.get(parent)
    if (known === undefined) this.#byParent.set(parent, new Set([node]))
    else known.add(node)
  }
}

const isDue = (lease: Lease | null, cutoff: number): boolean =>
  lease !== null && lease.expireTime <= cutoff
