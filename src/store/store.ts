import { StoreError } from './errors.ts'
import { type Action, type Event, newEvent, represent, representListing } from './event.ts'
import { ExpiringTree } from './expiring-tree.ts'
import { ShortEvent } from './history/short-event.ts'
import { checkIndex } from './index-ceiling.ts'
import { absolute, checkDepth, cleanPath, joinPath, tidyPath } from './path.ts'
import { MoveWork, type RenameEvents, rename } from './rename.ts'
import { loadSnapshot } from './snapshot/snapshot.ts'
import { SnapshotCopy } from './snapshot/snapshot-pieces.ts'
import { copyNodes } from './tree/lease-list.ts'
import { type DirectoryNode, type FileNode, isHidden, type Node } from './tree/node.ts'
import type { TreeCopy } from './tree/tree-copy.ts'
import { equalValues, shownValue, type Value } from './value.ts'
import type { DeleteOptions } from './watchable-tree.ts'

export type { StoreOptions, StoreState, WatchOptions } from './watchable-tree.ts'

/** The version of the data model, as etcd's v2 store counts it. */
const STORE_VERSION = 2
/** Without a TTL. */
const PERMANENT: WriteOptions = {}

export interface WriteOptions {
  /** When the node expires, in Unix milliseconds; absent makes it permanent. */
  expireTime?: number | undefined
  /** Keep the value, change only the TTL, and notify no watcher. */
  refresh?: boolean | undefined
}

export interface Conditions {
  /** The value that the file must have. */
  prevValue?: Value | undefined
  /** The `modifiedIndex` that the file must have. */
  prevIndex?: number | undefined
}

/** A directory with its children as they are at one moment. */
export interface Listing {
  /** Of the directory. */
  readonly path: string
  readonly nodes: TreeCopy
  /** The moment, in Unix milliseconds; 0 if no node has a TTL. */
  readonly now: number
  /** The store's index. */
  readonly index: number
}

/**
 * etcd's v2 store, in memory: the operations. Synchronous, without timers or I/O; time comes from the
 * clock. Keys and values are strings of one byte a character. A node is invisible from the moment
 * that it expires, whether or not {@link Store.deleteExpiredKeys} has run.
 *
 * Operations throw {@link StoreError} if the state of the tree does not allow them, and `PathError`
 * if a path is too long or too deep. Writes throw `IndexError` at the ceiling of the index.
 */
export class Store extends ExpiringTree {
  /** The version of the data model (etcd: `Version`). */
  get version(): number {
    return STORE_VERSION
  }

  /** @returns the node; of a directory also its children, one level or, if recursive, all */
  get(path: string, options: { recursive?: boolean; sorted?: boolean } = {}): Event {
    try {
      const tidy = tidyPath(path)
      const key = absolute(tidy)
      const now = this.tree.now()
      const node = this.tree.find(tidy, now)
      const extern = node.dir
        ? representListing(node, key, options.recursive === true, options.sorted === true, now)
        : represent(node, key, now)
      this.stats.getsSuccess++
      return newEvent('get', extern, undefined, this.index)
    } catch (error) {
      this.stats.getsFail++
      throw error
    }
  }

  /**
   * Like {@link Store.get} of a directory, but copies less: for a reply that is made as it is sent.
   *
   * @param options `empty` leaves out all below the directory
   * @returns undefined if a file is at the path; then `get` has the answer
   */
  getListing(path: string, { recursive = false, empty = false }): Listing | undefined {
    const now = this.tree.now()
    let node: Node
    try {
      node = this.tree.find(tidyPath(path), now)
    } catch (error) {
      this.stats.getsFail++
      throw error
    }
    if (!node.dir) return undefined
    const nodes = this.lastCopy.of(node, { recursive, empty, now }, this.index)
    this.stats.getsSuccess++
    return { path: absolute(tidyPath(path)), nodes, now, index: this.index }
  }

  /**
   * Like {@link Store.get}, but returns the file itself, and makes no event.
   *
   * @returns undefined if no file is there, or if it or a directory above it has a TTL; then `get` has
   * the answer
   */
  getFile(path: string): FileNode | undefined {
    const file = this.tree.permanentFile(path)
    if (file !== undefined) this.stats.getsSuccess++
    return file
  }

  /**
   * Makes a file; missing parents become permanent directories.
   *
   * @param unique append the new index to the path, which makes an in-order key
   */
  create(path: string, value: Value, options: WriteOptions & { unique?: boolean } = {}): Event {
    return this.#create(path, value, options)
  }

  /** Makes a directory; missing parents become permanent directories. */
  createDirectory(path: string, options: WriteOptions & { unique?: boolean } = {}): Event {
    return this.#create(path, undefined, options)
  }

  /** Makes or replaces a file. */
  set(path: string, value: Value, options: WriteOptions = {}): Event {
    return this.#set(path, value, options)
  }

  /** Like {@link Store.set} without a TTL, but mostly returns a short event, in half the time. */
  setFile(path: string, value: Value): Event {
    const file = this.tree.permanentFile(path)
    if (file === undefined || file.parent === null) return this.#set(path, value, PERMANENT)
    return this.overwrite(file, file.parent, path, value)
  }

  /**
   * Like {@link setFile} of a file that is known.
   *
   * @param file has no lease, nor has a directory above it
   * @param directory of the file
   */
  overwrite(file: FileNode, directory: DirectoryNode, path: string, value: Value): Event {
    const tree = this.tree
    checkIndex(tree.index)
    const event = new ShortEvent(absolute(path), value, tree.index + 1, file)
    tree.renew(file)
    tree.setValue(file, value)
    this.recordEvent(event, isHidden(file) ? 0 : this.crowdOf(directory))
    this.stats.setsSuccess++
    return event
  }

  /**
   * Checks that {@link Store.set} would succeed, and changes nothing. A command that writes either
   * all of several nodes or none calls this for each of them first.
   *
   * @returns the file at the path, if there is one
   * @throws what `set` would throw
   */
  checkSet(path: string): FileNode | undefined {
    const tree = this.tree
    const tidy = tree.writable(path)
    const key = absolute(tidy)
    checkDepth(key)
    const node = tree.walk(tidy, tree.now())
    if (node?.dir) throw new StoreError(102, key, tree.index)
    return node
  }

  /** @throws IndexError if a command that makes several writes could make only some of them */
  checkWrites(count: number): void {
    checkIndex(this.index, count)
  }

  /** Makes a directory, which may replace a file, but not a directory. */
  setDirectory(path: string, options: WriteOptions = {}): Event {
    return this.#set(path, undefined, options)
  }

  /** Changes the value and TTL of a file, or the TTL of a directory. */
  update(path: string, value: Value, options: WriteOptions = {}): Event {
    try {
      const tidy = this.tree.writable(path)
      const key = absolute(tidy)
      const now = this.tree.now(options.expireTime)
      const node = this.tree.find(tidy, now)
      if (node.dir && value !== '') throw new StoreError(102, key, this.index)
      const event = this.#updateNode('update', node, key, value, options, now)
      this.stats.updateSuccess++
      return event
    } catch (error) {
      this.stats.updateFail++
      throw error
    }
  }

  /** Like {@link Store.update} of a file, if all conditions hold. */
  compareAndSwap(
    path: string,
    conditions: Conditions,
    value: Value,
    options: WriteOptions = {},
  ): Event {
    try {
      const tidy = this.tree.writable(path)
      const key = absolute(tidy)
      const now = this.tree.now(options.expireTime)
      const file = this.#findEqual(tidy, conditions, now)
      const event = this.#updateNode('compareAndSwap', file, key, value, options, now)
      this.stats.compareAndSwapSuccess++
      return event
    } catch (error) {
      this.stats.compareAndSwapFail++
      throw error
    }
  }

  /** Deletes a file if all conditions hold. */
  compareAndDelete(path: string, conditions: Conditions): Event {
    try {
      checkIndex(this.tree.index)
      const tidy = tidyPath(path)
      const key = absolute(tidy)
      const now = this.tree.now()
      const file = this.#findEqual(tidy, conditions, now)
      const event = this.remove('compareAndDelete', file, key, now)
      this.stats.compareAndDeleteSuccess++
      return event
    } catch (error) {
      this.stats.compareAndDeleteFail++
      throw error
    }
  }

  /** Deletes a file; with `dir` an empty directory too; with `recursive` any directory with all below it. */
  delete(path: string, options: DeleteOptions = {}): Event {
    const event = this.deleteIfThere(path, options)
    if (event instanceof StoreError) throw event
    return event
  }

  /** Like {@link Store.delete}, but returns the error if there is nothing at the path. */
  deleteIfThere(path: string, options: DeleteOptions): Event | StoreError {
    try {
      const tidy = this.tree.writable(path)
      const key = absolute(tidy)
      const now = this.tree.now()
      const node = this.tree.walk(tidy, now)
      if (node === undefined) {
        this.stats.deleteFail++
        return this.tree.notFound()
      }
      if (node.dir && options.recursive !== true) {
        if (options.dir !== true) throw new StoreError(102, key, this.index)
        // A directory of expired nodes counts as empty.
        this.expireDueIn(node, now)
        if (node.children.size > 0) throw new StoreError(108, key, this.index)
      }
      const event = this.remove('delete', node, key, now)
      this.stats.deleteSuccess++
      return event
    } catch (error) {
      this.stats.deleteFail++
      throw error
    }
  }

  /**
   * Moves a node, and all nodes below it, to another path. A file that is there is replaced. Values
   * and TTLs stay. The events are a `delete` at the old path and a `set` of every node at its new
   * one, parents first (docs/decisions/0008).
   *
   * @throws StoreError NOTFILE if a directory stands there, and what {@link Store.set} throws
   * @throws PathError if the node would be below itself, any node too deep, or all paths too long together
   * @throws TooManyNodesError if it would cost those who listen more than `work` allows
   */
  rename(from: string, to: string, work = new MoveWork()): void {
    try {
      const events: RenameEvents = {
        expire: (node, now) => this.expire(node, now),
        deleted: (prevNode) => {
          this.recordRemoval('delete', prevNode)
          this.stats.deleteSuccess++
        },
        set: (node, prevNode, nodes) => {
          this.recordMove(node, prevNode, nodes)
          this.stats.setsSuccess++
        },
      }
      rename(this.tree, from, to, this.clock.now(), events, work)
    } catch (error) {
      this.stats.setsFail++
      throw error
    }
  }

  /**
   * Deletes all nodes but the root, in constant time. The event is one `delete` of `/`, which every
   * watcher sees; an empty tree makes none.
   */
  flush(): void {
    const { root } = this.tree
    if (root.children.size === 0) return
    checkIndex(this.tree.index)
    const prevNode = represent(root, '/', this.clock.now())
    this.tree.clear()
    this.recordRemoval('delete', prevNode)
    this.stats.deleteSuccess++
  }

  /** The whole store as etcd's JSON document, taken from a copy (etcd: `Save`). */
  save(): string {
    return this.clone().saveNoCopy()
  }

  /** A copy of the whole store, to be saved in pieces: the document may be too long for a string. */
  snapshotCopy(): SnapshotCopy {
    const { stats, isShared } = this
    return new SnapshotCopy({
      nodes: this.lastCopy.whole(this.root, this.index),
      history: this.history,
      index: this.index,
      stats: isShared ? { ...stats, getsSuccess: 0, getsFail: 0 } : stats,
      watchers: isShared ? 0 : this.hub.count,
      version: STORE_VERSION,
    })
  }

  /** The whole store as etcd's JSON document, without a copy (etcd: `SaveNoCopy`). */
  saveNoCopy(): string {
    return this.snapshotCopy().toText()
  }

  /** Another store with the same nodes, history and stats, but no watchers (etcd: `Clone`). */
  clone(): Store {
    const copy = new Store({ clock: this.clock })
    const { index, stats } = this
    copy.restore({ ...copyNodes(this.root), index, history: this.history.clone(), stats })
    return copy
  }

  /**
   * Replaces everything by a saved state, of a real etcd, too (etcd: `Recovery`). Watchers see what comes then.
   *
   * @param isCopy whether it is the copy of a store of a group, to be taken as it is
   * @throws SnapshotError if anything is wrong with the state; the store then stays as it was
   */
  recovery(state: Value, isCopy = false): void {
    this.restore(loadSnapshot(state, this.history.limits, isCopy))
    this.tree.changes?.recover(this.root)
  }

  #create(path: string, value: Value | undefined, options: WriteOptions & { unique?: boolean }) {
    try {
      checkIndex(this.tree.index)
      const now = this.clock.now()
      let key = cleanPath(path)
      if (options.unique === true) {
        // An expiry on the way takes an index, so it comes before the name is made of the next one.
        this.expireAlong(key, now)
        key = cleanPath(joinPath(key, String(this.index + 1).padStart(20, '0')))
      }
      if (key === '/') throw new StoreError(107, '/', this.index)
      const { parent, name } = this.#makeParent(key, now)
      if (parent.children.has(name)) throw new StoreError(105, key, this.index)
      const node = this.tree.insert(parent, name, value, options.expireTime)
      const event = this.record('create', represent(node, key, now), undefined, false)
      this.stats.createSuccess++
      return event
    } catch (error) {
      this.stats.createFail++
      throw error
    }
  }

  #set(path: string, value: Value | undefined, options: WriteOptions): Event {
    const tree = this.tree
    try {
      const tidy = tree.writable(path)
      const key = absolute(tidy)
      const now = tree.now(options.expireTime)
      const refresh = options.refresh === true
      const old = refresh ? tree.find(tidy, now) : tree.walk(tidy, now)
      if (old?.dir) throw new StoreError(102, key, tree.index)
      const prevNode = old === undefined ? undefined : represent(old, key, now)
      const content = refresh && value !== undefined && old !== undefined ? old.value : value
      let node: Node
      if (old !== undefined && content !== undefined) {
        // Has the same effect as a new node, without taking the old one out.
        node = old
        tree.renew(node)
        tree.setValue(node, content)
        tree.setExpiry(node, options.expireTime)
      } else {
        const { parent, name } = this.#makeParent(tidy, now)
        if (old !== undefined) tree.remove(old)
        node = tree.insert(parent, name, content, options.expireTime)
      }
      const event = this.record('set', represent(node, key, now), prevNode, refresh)
      this.stats.setsSuccess++
      return event
    } catch (error) {
      this.stats.setsFail++
      throw error
    }
  }

  #updateNode(
    action: Action,
    node: Node,
    key: string,
    value: Value,
    options: WriteOptions,
    now: number,
  ): Event {
    const prevNode = represent(node, key, now)
    const refresh = options.refresh === true
    this.tree.touch(node)
    if (!node.dir && !refresh) this.tree.setValue(node, value)
    this.tree.setExpiry(node, options.expireTime)
    return this.record(action, represent(node, key, now), prevNode, refresh)
  }

  /** Like {@link Tree.makeParent}, for any depth, and expires the node in the way. */
  #makeParent(tidy: string, now: number): { parent: DirectoryNode; name: string } {
    // The check comes before any change, so that a refused path leaves nothing behind.
    checkDepth(absolute(tidy))
    this.expireAlong(tidy, now)
    return this.tree.makeParent(tidy)
  }

  /** The file at a path, if all conditions hold. @throws StoreError NOTFILE, TESTFAILED */
  #findEqual(tidy: string, conditions: Conditions, now: number): FileNode {
    const node = this.tree.find(tidy, now)
    if (node.dir) throw new StoreError(102, absolute(tidy), this.index)
    const { prevValue, prevIndex } = conditions
    const valueDiffers = prevValue !== undefined && !equalValues(prevValue, node.value)
    const indexDiffers = prevIndex !== undefined && prevIndex !== node.modifiedIndex
    if (!valueDiffers && !indexDiffers) return node
    const causes: string[] = []
    if (valueDiffers) causes.push(`[${shownValue(prevValue)} != ${shownValue(node.value)}]`)
    if (indexDiffers) causes.push(`[${prevIndex} != ${node.modifiedIndex}]`)
    throw new StoreError(101, causes.join(' '), this.index)
  }
}
