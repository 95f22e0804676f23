import type { DirectoryNode, Node } from './node.ts'

/** A file that is gone: which it was, in the terms of the copy. */
export interface RemovedFile {
  /** The `id` of the directory that it was in. */
  readonly parentId: number
  readonly name: string
}

/** Sums are kept below this, so that adding to them stays exact. */
const SUM_LIMIT = 2 ** 51

/** How many nodes a copy holds, and which versions of them: what can be compared when it is read. */
export class Tally {
  count = 0
  /** Of all `modifiedIndex`es, in any order. */
  sum = 0

  clone(): Tally {
    return Object.assign(new Tally(), this)
  }

  add(modifiedIndex: number): void {
    this.count++
    this.#shift(modifiedIndex)
  }

  remove(modifiedIndex: number): void {
    this.count--
    this.#shift(-modifiedIndex)
  }

  change(before: number, after: number): void {
    this.#shift(after - before)
  }

  #shift(by: number): void {
    const sum = this.sum + (by % SUM_LIMIT)
    this.sum = sum < 0 ? sum + SUM_LIMIT : sum >= SUM_LIMIT ? sum - SUM_LIMIT : sum
  }
}

/** What is to be brought into a copy of the tree. */
export interface ChangeSet {
  /** New or changed nodes; some may be gone again by now. */
  readonly nodes: Node[]
  readonly removedFiles: RemovedFile[]
  /** The `id`s of removed directories. */
  readonly removedDirectories: number[]
}

/**
 * Takes note of what changes in a tree, for whoever keeps a copy of it elsewhere: each node once
 * between two looks, however often it changes. A permanent note on every node would cost memory;
 * instead a node's `modifiedIndex` tells whether it is noted already.
 */
export class Changes {
  /** Whether there was a write, or an expiry, since the last look. */
  pending = false
  /** Counts the writes. */
  writes = 0
  /** The whole tree has been replaced: what was noted before is void. */
  replaced = false
  /** Directories with a smaller `id` are unknown to the copy. */
  firstId = 1
  /** What the next directory is called there: no `id` is given twice, in whatever copy. */
  nextId = 1
  /** Of the nodes that the copy has after the next look: those in the tree, and some just removed. */
  tally = new Tally()
  readonly #wake: () => void
  /** The index at the last look: nodes modified after it are noted. */
  #seenIndex = 0
  #set: ChangeSet = emptySet()

  /** @param wake called at the first write after a look; must not write to the tree */
  constructor(wake: () => void) {
    this.#wake = wake
  }

  /** Whether there is something to copy that {@link pending} does not tell of. */
  get hasRemovals(): boolean {
    return this.#set.removedFiles.length > 0 || this.#set.removedDirectories.length > 0
  }

  /** A new node. */
  add(node: Node): void {
    this.#set.nodes.push(node)
    this.tally.add(node.modifiedIndex)
  }

  /**
   * A node that is about to change: its `modifiedIndex` is still the old one.
   *
   * @param index the one that it gets
   */
  change(node: Node, index: number): void {
    if (node.modifiedIndex <= this.#seenIndex) this.#set.nodes.push(node)
    this.tally.change(node.modifiedIndex, index)
  }

  /** A node that is taken out of the tree, or was below one that has been. */
  remove(node: Node, parent: DirectoryNode): void {
    this.tally.remove(node.modifiedIndex)
    if (node.dir) {
      if (node.id >= this.firstId) this.#set.removedDirectories.push(node.id)
    } else if (parent.id >= this.firstId) {
      this.#set.removedFiles.push({ parentId: parent.id, name: node.name })
    }
  }

  /** The index has been raised. */
  written(): void {
    this.writes++
    if (this.pending) return
    this.pending = true
    this.#wake()
  }

  replaceAll(): void {
    this.replaced = true
    this.#set = emptySet()
    this.written()
  }

  /**
   * Hands over what has been noted and begins anew.
   *
   * @param index the store's index now
   */
  take(index: number): ChangeSet {
    const taken = this.#set
    this.#set = emptySet()
    this.#seenIndex = index
    this.pending = false
    return taken
  }
}

/** Nothing to be brought. */
export function emptySet(): ChangeSet {
  return { nodes: [], removedFiles: [], removedDirectories: [] }
}

export function isEmpty(set: ChangeSet): boolean {
  const { nodes, removedFiles, removedDirectories } = set
  return nodes.length + removedFiles.length + removedDirectories.length === 0
}
