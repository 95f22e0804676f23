import type { DirectoryNode, Node } from './node.ts'

/** A removed file, as the copy knows it. */
export interface RemovedFile {
  /** The `id` of the directory that the file was in. */
  readonly parentId: number
  readonly name: string
}

/** Sums stay below this, so that adding to them stays exact. */
const SUM_LIMIT = 2 ** 51

/** The number of nodes in a copy, and a sum of their versions. A reader compares both. */
export class Tally {
  count = 0
  /** The sum of every `modifiedIndex`, modulo {@link SUM_LIMIT}. */
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

/** The changes that a copy of the tree lacks. */
export interface ChangeSet {
  /** New and changed nodes; some may have been removed since. */
  readonly nodes: Node[]
  readonly removedFiles: RemovedFile[]
  /** The `id`s of removed directories. */
  readonly removedDirectories: number[]
}

/**
 * Notes the changes of a tree that a copy elsewhere lacks. A node that changes several times between
 * two calls of {@link take} is noted once: its `modifiedIndex` tells whether it has been noted, because
 * a mark on every node would cost memory.
 */
export class Changes {
  /** Whether there was a write or an expiry since the last {@link take}. */
  pending = false
  /** The number of writes so far. */
  writes = 0
  /** Whether the whole tree has been replaced; the notes from before are dropped then. */
  replaced = false
  /** The copy has no directories with a lower `id`. */
  firstId = 1
  /** The next directory's `id`; none is given twice, not even in different copies. */
  nextId = 1
  /** The tally that the copy will have: the nodes in the tree, and some that are just removed. */
  tally = new Tally()
  readonly #wake: () => void
  /** The index at the last {@link take}; nodes modified after it have been noted. */
  #seenIndex = 0
  #set: ChangeSet = emptySet()

  /** @param wake called at the first write after a {@link take}; must not write to the tree */
  constructor(wake: () => void) {
    this.#wake = wake
  }

  /** Whether removals have been noted; `Tree.reclaim` notes some without setting {@link pending}. */
  get hasRemovals(): boolean {
    return this.#set.removedFiles.length > 0 || this.#set.removedDirectories.length > 0
  }

  /** Notes a new node. */
  add(node: Node): void {
    this.#set.nodes.push(node)
    this.tally.add(node.modifiedIndex)
  }

  /**
   * Notes a node that is about to change; its `modifiedIndex` is still the old one.
   *
   * @param index its new `modifiedIndex`
   */
  change(node: Node, index: number): void {
    if (node.modifiedIndex <= this.#seenIndex) this.#set.nodes.push(node)
    this.tally.change(node.modifiedIndex, index)
  }

  /** Notes a node that has been removed, by itself or with a directory above it. */
  remove(node: Node, parent: DirectoryNode): void {
    this.tally.remove(node.modifiedIndex)
    if (node.dir) {
      if (node.id >= this.firstId) this.#set.removedDirectories.push(node.id)
    } else if (parent.id >= this.firstId) {
      this.#set.removedFiles.push({ parentId: parent.id, name: node.name })
    }
  }

  /** Called when the index has been raised. */
  written(): void {
    this.writes++
    if (this.pending) return
    this.pending = true
    this.#wake()
  }

  /** Notes that the whole tree has been replaced. */
  replaceAll(): void {
    this.replaced = true
    this.#set = emptySet()
    this.written()
  }

  /**
   * Hands over the notes, and begins anew.
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

/** No changes. */
export function emptySet(): ChangeSet {
  return { nodes: [], removedFiles: [], removedDirectories: [] }
}

export function isEmpty(set: ChangeSet): boolean {
  const { nodes, removedFiles, removedDirectories } = set
  return nodes.length + removedFiles.length + removedDirectories.length === 0
}
