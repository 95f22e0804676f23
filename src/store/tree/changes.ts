import type { Event } from '../event.ts'
import { type DirectoryNode, type FileNode, type Node, nodesBelow } from './node.ts'

/** A removed file, as the copy knows it. */
export interface RemovedFile {
  /** The `id` of the directory that the file was in. */
  readonly parentId: number
  readonly name: string
}

/** How many notes are looked at for each removed node. With four, a third of them at most are of nodes that are gone. */
const NOTES_PER_REMOVAL = 4

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

/** A value that lies in the copy in a record of its own. */
export interface StoredValue {
  readonly id: number
  /** In bytes. */
  readonly length: number
}

/** A shorter value is never a {@link StoredValue}. */
export const MIN_STORED_VALUE_BYTES = 128

/** The changes that a copy of the tree lacks. */
export interface ChangeSet {
  /** New and changed nodes; some may have been removed since. */
  readonly nodes: Node[]
  readonly removedFiles: RemovedFile[]
  /** The `id`s of removed directories. */
  readonly removedDirectories: number[]
  /** Values that no file has any more. */
  readonly removedValues: StoredValue[]
}

/** A copy in the making: it shows the moment of the last {@link Changes.take}. */
export interface FrozenCopy {
  /** Called before the first change of a node since then. */
  capture(node: Node): void
}

/** Gets the writes that no command has made: expiries on the way, and those of a program. */
export interface DirectWrites {
  onEvent(event: Event): void
  /** The whole tree has been replaced by a saved state. */
  onRecovery(): void
}

/**
 * Notes the changes of a tree that a copy elsewhere lacks. A node that changes several times between
 * two calls of {@link take} is noted once: its `modifiedIndex` tells whether it has been noted, because
 * a mark on every node would cost memory.
 */
export class Changes {
  /** The number of writes so far. */
  writes = 0
  /** How often the whole tree, with the counters, has been replaced by a saved state. */
  recoveries = 0
  /** Whether a command is running, whose entry stands for all its writes. */
  covered = false
  /** Told of writes while {@link covered} is false. */
  direct: DirectWrites | undefined
  /** Whether the whole tree has been replaced; the notes from before are dropped then. */
  replaced = false
  /** Told of nodes before they change, while a copy is being made. */
  frozen: FrozenCopy | undefined
  /** The copy has no directories with a lower `id`. */
  firstId = 1
  /** The next `id` of a directory or a value; none is given twice, not even in different copies. */
  nextId = 1
  /** The tally that the copy will have: the nodes in the tree, and some that are just removed. */
  tally = new Tally()
  /** The files whose value lies in the copy in a record of its own, unchanged. */
  readonly values = new Map<FileNode, StoredValue>()
  /** The index at the last {@link take}; nodes modified after it have been noted. */
  #seenIndex = 0
  /** Nodes that have been captured by {@link move} since the last {@link take}. */
  readonly #moved = new Set<Node>()
  /** The directory that has been taken out of its place last. */
  #lifted: DirectoryNode | undefined
  #set: ChangeSet = emptySet()
  /** The place in the notes of nodes that is looked at next. */
  #looked = 0

  /** Whether anything has been noted. */
  get hasNotes(): boolean {
    return this.replaced || !isEmpty(this.#set)
  }

  /** How many nodes have been removed that the copy has: their notes take memory that the tree has given back. */
  get removals(): number {
    return this.#set.removedFiles.length + this.#set.removedDirectories.length
  }

  /** Notes a new node. */
  add(node: Node): void {
    if (!node.dir) node.isNew = true
    this.#set.nodes.push(node)
    this.tally.add(node.modifiedIndex)
  }

  /**
   * Notes a node that is about to change; its `modifiedIndex` is still the old one.
   *
   * @param index its new `modifiedIndex`
   */
  change(node: Node, index: number): void {
    if (node.modifiedIndex <= this.#seenIndex) {
      this.#capture(node)
      if (!node.dir) node.isNew = false
      this.#set.nodes.push(node)
    }
    this.tally.change(node.modifiedIndex, index)
  }

  /** Called before a directory is taken out of its place, to be put into another; {@link change} follows. */
  lift(directory: DirectoryNode): void {
    this.#lifted = directory
    this.move(directory)
  }

  /** Called before a node in a directory that has been lifted loses its lease on the way. {@link change} follows. */
  move(node: Node): void {
    if (node.modifiedIndex > this.#seenIndex) return
    this.#capture(node)
    this.#moved.add(node)
  }

  /** Called before the value of a file changes. */
  changeValue(file: FileNode): void {
    if (file.value.length < MIN_STORED_VALUE_BYTES) return
    const stored = this.values.get(file)
    if (stored === undefined) return
    this.values.delete(file)
    this.#set.removedValues.push(stored)
  }

  /**
   * Notes a node that is about to be removed, by itself or with a directory above it. Nothing is noted of
   * a file that is new since the last {@link take}: the copy has none in its place, or what was there
   * before has been noted when it was removed.
   */
  remove(node: Node, parent: DirectoryNode): void {
    this.tally.remove(node.modifiedIndex)
    const isNoted = node.modifiedIndex > this.#seenIndex
    if (isNoted) this.#dropNotes()
    else this.#capture(node)
    if (node.dir) {
      if (node.id >= this.firstId) this.#set.removedDirectories.push(node.id)
      return
    }
    this.changeValue(node)
    if (parent.id < this.firstId || (isNoted && node.isNew)) return
    this.#set.removedFiles.push({ parentId: parent.id, name: node.name })
  }

  /** Drops some notes of nodes that have been removed since, lest those that come and go take memory until {@link take}. */
  #dropNotes(): void {
    const { nodes } = this.#set
    for (let i = 0; i < NOTES_PER_REMOVAL && nodes.length > 0; i++) {
      if (this.#looked >= nodes.length) this.#looked = 0
      const node = nodes[this.#looked]
      if (node.parent !== null || node === this.#lifted) {
        this.#looked++
        continue
      }
      const last = nodes.pop() as Node
      if (last !== node) nodes[this.#looked] = last
    }
  }

  #capture(node: Node): void {
    if (this.frozen === undefined || this.#moved.has(node)) return
    this.frozen.capture(node)
  }

  /** Called when the index has been raised. */
  written(event: Event): void {
    this.writes++
    if (!this.covered) this.direct?.onEvent(event)
  }

  /** Notes that the whole tree has been replaced; the nodes from before do not change any more. */
  replaceAll(root: DirectoryNode): void {
    this.writes++
    this.replaced = true
    this.frozen = undefined
    this.values.clear()
    this.#set = emptySet()
    this.count(root)
  }

  /** Makes {@link tally} anew. @param root the tree that it counts */
  count(root: DirectoryNode): void {
    this.tally = new Tally()
    this.tally.add(root.modifiedIndex)
    for (const node of nodesBelow(root)) this.tally.add(node.modifiedIndex)
  }

  /** Notes that the whole tree has been replaced by a saved state. */
  recover(root: DirectoryNode): void {
    this.recoveries++
    this.replaceAll(root)
    if (!this.covered) this.direct?.onRecovery()
  }

  /**
   * Hands over the notes, and begins anew.
   *
   * @param index the store's index now
   */
  take(index: number): ChangeSet {
    const taken = this.#set
    this.#set = emptySet()
    this.#moved.clear()
    this.#seenIndex = index
    return taken
  }
}

/** No changes. */
export function emptySet(): ChangeSet {
  return { nodes: [], removedFiles: [], removedDirectories: [], removedValues: [] }
}

export function isEmpty(set: ChangeSet): boolean {
  return Object.values(set).every(({ length }) => length === 0)
}
