import { firstComponent, isRoot } from '../path.ts'
import { component, scanComponent } from './name-hash.ts'
import type { DirectoryNode, Lease, Node } from './node.ts'

/** A tree, as far as expiry goes. */
interface Expiring {
  readonly root: DirectoryNode
  /** The leases that are due, in no order. */
  due(now: number): Iterable<Lease>
}

/**
 * The nodes of a tree that are due at one moment and still there, to be compared with many paths: what is
 * below directories is gathered once, and not for each path. The tree must not change meanwhile.
 */
export class DueNodes {
  readonly #tree: Expiring
  readonly #now: number
  /** Of each directory with due nodes below it, the latest of their times of expiry. */
  #latest: Map<DirectoryNode, number> | undefined

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
    if (isRoot(key)) return this.#latestBelow(root) > since
    let directory = root
    for (let start: number = firstComponent(key); ; start = component.end + 1) {
      scanComponent(key, start)
      const { end, hash } = component
      const node: Node | undefined = directory.children.find(key, start, end, hash)
      if (node === undefined) return false
      const time = node.lease?.expireTime
      if (time !== undefined && time <= this.#now && time > since) return true
      if (!node.dir) return false
      if (end === key.length) return this.#latestBelow(node) > since
      directory = node
    }
  }

  /** Whether one is below a directory. */
  isBelow(directory: DirectoryNode): boolean {
    return this.#latestBelow(directory) > Number.NEGATIVE_INFINITY
  }

  #latestBelow(directory: DirectoryNode): number {
    this.#latest ??= this.#gather()
    return this.#latest.get(directory) ?? Number.NEGATIVE_INFINITY
  }

  #gather(): Map<DirectoryNode, number> {
    const latest = new Map<DirectoryNode, number>()
    // The latest first: a directory that is known already has a later one, and so have those above it.
    const leases = [...this.#tree.due(this.#now)].sort((a, b) => b.expireTime - a.expireTime)
    for (const { node, expireTime } of leases) {
      for (let at = node.parent; at !== null && !latest.has(at); at = at.parent) {
        latest.set(at, expireTime)
      }
    }
    return latest
  }
}
