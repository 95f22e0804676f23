import { cloneTree, type DirectoryNode, type Node } from './node.ts'

/**
 * When each of some nodes is to expire, until they get their leases: in two columns, because pairs take
 * five times as much memory, which a tree that is being loaded has to have beside it.
 */
export class LeaseList implements Iterable<readonly [Node, number]> {
  #nodes: Node[] = []
  #times: number[] = []

  get size(): number {
    return this.#nodes.length
  }

  /** @param expireTime Unix milliseconds */
  add(node: Node, expireTime: number): void {
    this.#nodes.push(node)
    this.#times.push(expireTime)
  }

  /** Drops all nodes but those that `isKept` accepts, which stay in their order. */
  keep(isKept: (node: Node) => boolean): void {
    let kept = 0
    for (const [i, node] of this.#nodes.entries()) {
      if (!isKept(node)) continue
      this.#nodes[kept] = node
      this.#times[kept++] = this.#times[i]
    }
    this.#nodes.length = kept
    this.#times.length = kept
  }

  *[Symbol.iterator](): Generator<readonly [Node, number], void> {
    for (let i = 0; i < this.#nodes.length; i++) yield [this.#nodes[i], this.#times[i]]
  }
}

/** A copy of all nodes, and when each copy expires, in Unix milliseconds. */
export function copyNodes(root: DirectoryNode): { root: DirectoryNode; leases: LeaseList } {
  const leases = new LeaseList()
  const copy = cloneTree(root, null, (node, expireTime) => leases.add(node, expireTime))
  return { root: copy, leases }
}
