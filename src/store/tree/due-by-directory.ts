import { type DirectoryNode, isOverdue, type Node } from './node.ts'

/** A set that is mostly of one: a Set for each of many directories would take more memory than the directories. */
class Few<Item> {
  #only: Item | undefined
  /** All of them, if they have been more than one. */
  #all: Set<Item> | undefined

  get isEmpty(): boolean {
    return this.#only === undefined && this.#all === undefined
  }

  get items(): Iterable<Item> {
    return this.#all ?? (this.#only === undefined ? [] : [this.#only])
  }

  add(item: Item): void {
    if (this.#all !== undefined) this.#all.add(item)
    else if (this.#only === undefined) this.#only = item
    else if (this.#only !== item) {
      this.#all = new Set([this.#only, item])
      this.#only = undefined
    }
  }

  delete(item: Item): void {
    if (this.#only === item) this.#only = undefined
    this.#all?.delete(item)
    if (this.#all?.size === 0) this.#all = undefined
  }
}

/** What is due below one directory. */
class DueBelow {
  /** Children that are due. */
  readonly children = new Few<Node>()
  /** Children below which something is due. */
  readonly directories = new Few<DirectoryNode>()
  /** No child expires later, in Unix milliseconds. */
  latestChild = Number.NEGATIVE_INFINITY
  /** The child that expires then; undefined if it has been removed. */
  #last: Node | undefined
  /** No node below expires later, in Unix milliseconds. No less than the `latest` of a directory below. */
  latest = Number.NEGATIVE_INFINITY

  addChild(child: Node, expireTime: number): void {
    this.children.add(child)
    if (expireTime < this.latestChild) return
    this.latestChild = expireTime
    this.#last = child
  }

  removeChild(child: Node): void {
    this.children.delete(child)
    if (child === this.#last) this.#last = undefined
  }

  /** Whether a child expires after one time, and no later than another. */
  hasChild(after: number, until: number): boolean {
    if (this.latestChild <= after) return false
    if (this.#last === undefined) this.#findLast()
    // Nearly always it decides: what is here was due when it was added, and the clock seldom goes back.
    if (this.latestChild <= until) return this.latestChild > after
    for (const { lease } of this.children.items) {
      if (lease !== null && lease.expireTime > after && lease.expireTime <= until) return true
    }
    return false
  }

  #findLast(): void {
    this.latestChild = Number.NEGATIVE_INFINITY
    for (const child of this.children.items) {
      const time = child.lease?.expireTime ?? Number.NEGATIVE_INFINITY
      if (time < this.latestChild) continue
      this.latestChild = time
      this.#last = child
    }
  }
}

/**
 * The nodes that are due, by the directories above them: so whether one is below a directory is not asked of all that
 * are due, nor of all that are below.
 */
export class DueByDirectory {
  readonly #found = new Map<DirectoryNode, DueBelow>()

  /** How many directories have something due below them. */
  get size(): number {
    return this.#found.size
  }

  /** @param expireTime when the node expires. Of many nodes, those that expire last are best added first. */
  add(node: Node, expireTime: number): void {
    let below = node
    for (let directory = node.parent; directory !== null; directory = directory.parent) {
      let found = this.#found.get(directory)
      const isKnown = found !== undefined
      if (found === undefined) {
        found = new DueBelow()
        this.#found.set(directory, found)
      }
      if (below === node) found.addChild(node, expireTime)
      else found.directories.add(below as DirectoryNode)
      // The directories above know this one, and one that expires no earlier.
      if (isKnown && found.latest >= expireTime) return
      found.latest = expireTime
      below = directory
    }
  }

  /** Must be called before a node that has been added leaves its directory, or gets another lease. */
  remove(node: Node): void {
    const found = node.parent === null ? undefined : this.#found.get(node.parent)
    if (found === undefined) return
    found.removeChild(node)
    this.#prune(node.parent as DirectoryNode, found)
  }

  /** Must be called before a directory leaves the one that it is in. What is due below it may still be removed. */
  cut(directory: DirectoryNode): void {
    const { parent } = directory
    if (parent === null || !this.#found.has(directory)) return
    const found = this.#found.get(parent)
    if (found === undefined) return
    found.directories.delete(directory)
    this.#prune(parent, found)
  }

  /** The children of a directory that have expired, in no order. @param now Unix milliseconds */
  *childrenOf(directory: DirectoryNode, now: number): Generator<Node, undefined> {
    for (const child of this.#found.get(directory)?.children.items ?? []) {
      // The clock may have gone back.
      if (isOverdue(child, now)) yield child
    }
  }

  /** Whether a node below a directory expires after one time, and no later than another. */
  hasBelow(directory: DirectoryNode, after: number, until: number): boolean {
    const open = [directory]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const found = this.#found.get(at)
      if (found === undefined || found.latest <= after) continue
      if (found.hasChild(after, until)) return true
      for (const below of found.directories.items) open.push(below)
    }
    return false
  }

  /** Forgets directories that have nothing due below them any more. */
  #prune(from: DirectoryNode, below: DueBelow): void {
    let directory = from
    let found = below
    while (found.children.isEmpty && found.directories.isEmpty) {
      this.#found.delete(directory)
      const { parent } = directory
      const above = parent === null ? undefined : this.#found.get(parent)
      if (parent === null || above === undefined) return
      above.directories.delete(directory)
      directory = parent
      found = above
    }
  }
}
