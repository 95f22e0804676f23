import { firstComponent, isRoot } from '../path.ts'
import { component, scanComponent } from './name-hash.ts'
import type { DirectoryNode, Node } from './node.ts'

/** A tree, as far as expiry goes. */
interface Expiring {
  readonly root: DirectoryNode
  readonly due: {
    /** Whether a node below a directory has expired by `now`, and after `since`. */
    hasDue(directory: DirectoryNode, since: number, now: number): boolean
  }
}

/** The nodes of a tree that are due at one moment and still there, to be compared with paths. */
export class DueNodes {
  readonly #tree: Expiring
  readonly #now: number

  /** @param now Unix milliseconds */
  constructor(tree: Expiring, now: number) {
    this.#tree = tree
    this.#now = now
  }

  /**
   * Whether a node at, above or below a path has expired after a time.
   *
   * @param key absolute and clean
   * @param since Unix milliseconds
   */
  touch(key: string, since: number): boolean {
    const { root } = this.#tree
    if (isRoot(key)) return this.#tree.due.hasDue(root, since, this.#now)
    let directory = root
    for (let start: number = firstComponent(key); ; start = component.end + 1) {
      scanComponent(key, start)
      const { end, hash } = component
      const node: Node | undefined = directory.children.find(key, start, end, hash)
      if (node === undefined) return false
      const time = node.lease?.expireTime
      if (time !== undefined && time <= this.#now && time > since) return true
      if (!node.dir) return false
      if (end === key.length) return this.#tree.due.hasDue(node, since, this.#now)
      directory = node
    }
  }

  /** Whether one is below a directory. */
  isBelow(directory: DirectoryNode): boolean {
    return this.#tree.due.hasDue(directory, Number.NEGATIVE_INFINITY, this.#now)
  }
}
