import { cloneTree, type DirectoryNode, type Node } from './node.ts'

/** So many are kept in one piece; a power of two. */
const PIECE = 1024
const PIECE_BITS = Math.log2(PIECE)

/**
 * When each of some nodes is to expire, until they get their leases: in two columns, because pairs take
 * five times as much memory, which a tree that is being loaded has to have beside it. They are cut in pieces, because an
 * array that grows is there twice for a while, and the times lie outside of the heap.
 */
export class LeaseList implements Iterable<readonly [Node, number]> {
  #nodes: Node[][] = []
  #times: Float64Array[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @param expireTime Unix milliseconds */
  add(node: Node, expireTime: number): void {
    if (this.#size % PIECE === 0) {
      this.#nodes.push([])
      this.#times.push(new Float64Array(PIECE))
    }
    this.#put(this.#size++, node, expireTime)
  }

  #put(at: number, node: Node, expireTime: number): void {
    const piece = at >> PIECE_BITS
    this.#nodes[piece][at % PIECE] = node
    this.#times[piece][at % PIECE] = expireTime
  }

  /** Drops all nodes but those that `isKept` accepts, which stay in their order. */
  keep(isKept: (node: Node) => boolean): void {
    let kept = 0
    for (const [node, expireTime] of this) if (isKept(node)) this.#put(kept++, node, expireTime)
    const pieces = Math.ceil(kept / PIECE)
    this.#nodes.length = this.#times.length = pieces
    if (kept % PIECE > 0) this.#nodes[pieces - 1].length = kept % PIECE
    this.#size = kept
  }

  *[Symbol.iterator](): Generator<readonly [Node, number], void> {
    for (const [piece, nodes] of this.#nodes.entries()) {
      for (let i = 0; i < nodes.length; i++) yield [nodes[i], this.#times[piece][i]]
    }
  }
}

/** A copy of all nodes, and when each copy expires, in Unix milliseconds. */
export function copyNodes(root: DirectoryNode): { root: DirectoryNode; leases: LeaseList } {
  const leases = new LeaseList()
  const copy = cloneTree(root, null, (node, expireTime) => leases.add(node, expireTime))
  return { root: copy, leases }
}
