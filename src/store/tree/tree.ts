import type { Clock } from '../clock.ts'
import { StoreError } from '../errors.ts'
import { checkIndex, INDEX_CEILING } from '../index-ceiling.ts'
import { looseValues } from '../loose-values.ts'
import {
  absolute,
  checkLength,
  cleanPath,
  firstComponent,
  isImproper,
  isProper,
  isRoot,
  tidyPath,
} from '../path.ts'
import type { Value } from '../value.ts'
import type { Changes } from './changes.ts'
import { FileList } from './file-list.ts'
import { keptName } from './kept-name.ts'
import { LastMiss } from './last-miss.ts'
import { Leases } from './leases.ts'
import { LongWay } from './long-way.ts'
import { LookAhead, MIN_FILES_TO_LOOK_AHEAD, type PathBatch } from './look-ahead.ts'
import { component, scanComponent } from './name-hash.ts'
import {
  attach,
  bytesOf,
  DirectoryNode,
  detach,
  FileNode,
  isOverdue,
  type Node,
  topOf,
} from './node.ts'
import { MAX_EXPIRE_TIME } from './ttl-heap.ts'

/**
 * The nodes of a store, with their leases, the list of files, the look-ahead, and the notes for
 * a copy elsewhere. It knows nothing of events. An expired node stays until the store removes it, but
 * no look-up finds it.
 *
 * A parameter called `tidy` is a clean path, with or without the slash in front (see
 * {@link tidyPath}).
 */
export class Tree {
  readonly #clock: Clock
  /** The store's index. The store raises it after a change; the changed nodes got the next index. */
  index = 0
  /** Notes what changes, if a copy of the tree is kept elsewhere. */
  changes: Changes | undefined
  #root = new DirectoryNode('', null, 0)
  #leases = new Leases()
  #fileList = new FileList()
  readonly #ahead = new LookAhead()
  readonly #miss = new LastMiss()
  readonly #longWay = new LongWay(this.#miss)
  /** The children of removed directories whose leases are still to be taken back. */
  readonly #removed: Iterator<Node, undefined>[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The directory that contains all others. */
  get root(): DirectoryNode {
    return this.#root
  }

  /** All files, including those that are not {@link isVisible}. */
  get fileList(): FileList {
    return this.#fileList
  }

  /** The number of nodes with a TTL. */
  get leases(): number {
    return this.#leases.size
  }

  /** Whether a node is in the tree, and neither it nor a directory above it has expired. */
  isVisible(node: Node, now: number): boolean {
    return topOf(node, now) === this.#root
  }

  /** Whether a node is in the tree, and not below a removed directory. */
  isAttached(node: Node): boolean {
    return topOf(node, Number.NEGATIVE_INFINITY) === this.#root
  }

  /**
   * The time that decides which nodes have expired. Without leases it is 0, because then no node has,
   * and asking the system takes time.
   *
   * @param expireTime of the node that is about to be written, if it expires
   */
  now(expireTime?: number): number {
    return expireTime === undefined && this.#leases.size === 0 ? 0 : this.#clock.now()
  }

  /** The node at any path, or undefined if there is none or it has expired. */
  lookup(path: string): Node | undefined {
    const known = this.#ahead.find(path)
    if (known !== undefined) return this.#unlessOverdue(known)
    checkLength(path)
    let directory = this.#root
    let start: number = firstComponent(path)
    if (path.length > this.#longWay.minPathBytes) {
      directory = this.#longWay.enter(directory, path, this.now())
      start = this.#longWay.start
    }
    for (; ; start = component.end + 1) {
      scanComponent(path, start)
      const { end, hash } = component
      const child = directory.children.find(path, start, end, hash)
      const node = child === undefined ? undefined : this.#unlessOverdue(child)
      if (node === undefined || (end < path.length && !node.dir)) {
        // No node is called `..`, but the rest of the path may lead elsewhere: `missing/../there`.
        const clean = end === path.length ? !isImproper(path, start, end) : isProper(path, start)
        return clean ? undefined : this.#lookupUnclean(path)
      }
      if (end === path.length) return node
      directory = node as DirectoryNode
    }
  }

  /**
   * The file at any path, if neither it nor a directory above it has a lease. This is the most
   * frequent case, and does not need the time.
   *
   * @returns undefined in every other case; then {@link lookup} or {@link walk} has the answer
   */
  permanentFile(path: string): FileNode | undefined {
    const known = this.#ahead.find(path)
    if (known !== undefined) return known.dir || known.lease !== null ? undefined : known
    if (path.length > this.#longWay.minPathBytes) {
      return this.#longWay.permanentFile(this.#root, path)
    }
    let directory = this.#root
    for (let start: number = firstComponent(path); ; start = component.end + 1) {
      scanComponent(path, start)
      const { end, hash } = component
      const node = directory.children.find(path, start, end, hash)
      if (node === undefined) this.#miss.note(path, directory, start, end, true)
      if (node === undefined || node.lease !== null) return undefined
      if (end === path.length) return node.dir ? undefined : node
      if (!node.dir) return undefined
      directory = node
    }
  }

  /**
   * Finds the nodes of the next requests ahead; see {@link LookAhead}. Must be called for every batch,
   * because it forgets the one before.
   *
   * @param minFiles a tree with fewer files is not worth it
   */
  lookAhead(batch: PathBatch, minFiles = MIN_FILES_TO_LOOK_AHEAD): void {
    if (this.#root.files >= minFiles) this.#ahead.follow(this.#root, batch)
    else this.#ahead.forget()
  }

  /** Runs a function that asks for many paths; see known-ways.ts. */
  withManyPaths<Result>(run: () => Result): Result {
    return this.#longWay.withManyPaths(run)
  }

  #unlessOverdue(node: Node): Node | undefined {
    return node.lease !== null && isOverdue(node, this.#clock.now()) ? undefined : node
  }

  #lookupUnclean(path: string): Node | undefined {
    const key = cleanPath(path)
    return key.length === 1 ? this.#root : this.lookup(key)
  }

  /** @returns the path made tidy @throws StoreError ROOTRONLY for the root's path */
  writable(path: string): string {
    checkIndex(this.index)
    const tidy = tidyPath(path)
    if (isRoot(tidy)) throw new StoreError(107, '/', this.index)
    return tidy
  }

  /**
   * Walks down to a node.
   *
   * @returns undefined if there is none, or it or a directory above it has expired
   * @throws StoreError NOTDIR if a file stands on the way
   */
  walk(tidy: string, now: number): Node | undefined {
    let node: Node = this.#root
    if (isRoot(tidy)) return node
    if (this.#miss.holdsFor(tidy)) return undefined
    let start: number = firstComponent(tidy)
    if (tidy.length > this.#longWay.minPathBytes) {
      node = this.#longWay.enter(this.#root, tidy, now)
      start = this.#longWay.start
    }
    for (; ; start = component.end + 1) {
      if (!node.dir) throw new StoreError(104, absolute(tidy.slice(0, start - 1)), this.index)
      scanComponent(tidy, start)
      const { end, hash } = component
      const child: Node | undefined = node.children.find(tidy, start, end, hash)
      if (child === undefined || isOverdue(child, now)) {
        this.#miss.note(tidy, node, start, end, false)
        return undefined
      }
      if (end === tidy.length) return child
      node = child
    }
  }

  /** Like {@link walk}. @throws StoreError KEYNOTFOUND too, naming the first missing path */
  find(tidy: string, now: number): Node {
    const node = this.walk(tidy, now)
    if (node === undefined) throw this.notFound()
    return node
  }

  /** KEYNOTFOUND, for the path that {@link walk} has just not found. */
  notFound(): StoreError {
    return new StoreError(100, this.#miss.missing, this.index)
  }

  /** The first expired node on the way to a path, the node at the path included. */
  overdueOn(tidy: string, now: number): Node | undefined {
    if (this.#leases.size === 0 || isRoot(tidy)) return undefined
    let directory = this.#root
    let start: number = firstComponent(tidy)
    if (tidy.length > this.#longWay.minPathBytes) {
      directory = this.#longWay.enter(directory, tidy, now)
      start = this.#longWay.start
    }
    for (; ; start = component.end + 1) {
      scanComponent(tidy, start)
      const { end, hash } = component
      const node = directory.children.find(tidy, start, end, hash)
      if (node === undefined) return undefined
      if (isOverdue(node, now)) return node
      if (end === tidy.length || !node.dir) return undefined
      directory = node
    }
  }

  /**
   * Walks down to the directory that a node goes into, and makes missing directories on the way.
   *
   * @param tidy not too deep; nothing on the way has expired (see {@link overdueOn})
   * @returns the directory, and the node's name, cut from the path
   * @throws StoreError NOTDIR if a file stands on the way
   */
  makeParent(tidy: string): { parent: DirectoryNode; name: string } {
    let parent = this.#root
    let start: number = firstComponent(tidy)
    if (this.#miss.isOf(tidy)) {
      parent = this.#miss.directory as DirectoryNode
      start = this.#miss.start
    } else if (tidy.length > this.#longWay.minPathBytes) {
      parent = this.#longWay.enter(parent, tidy, 0)
      start = this.#longWay.start
    }
    for (let end = tidy.indexOf('/', start); end !== -1; end = tidy.indexOf('/', start)) {
      const name = tidy.slice(start, end)
      let child = parent.children.get(name)
      if (child === undefined) {
        child = new DirectoryNode(keptName(name), parent, this.index + 1)
        attach(parent, child)
        this.changes?.add(child)
      }
      if (!child.dir) throw new StoreError(104, absolute(tidy.slice(0, end)), this.index)
      parent = child
      start = end + 1
    }
    return { parent, name: tidy.slice(start) }
  }

  /**
   * Makes a node. Its indexes are the next one.
   *
   * @param name one that no child of the parent has
   * @param value absent for a directory
   * @param expireTime in Unix milliseconds; absent makes it permanent
   */
  insert(
    parent: DirectoryNode,
    name: string,
    value: Value | undefined,
    expireTime: number | undefined,
  ): Node {
    const index = this.index + 1
    const own = keptName(name)
    const node =
      value === undefined
        ? new DirectoryNode(own, parent, index)
        : new FileNode(own, parent, value, index)
    attach(parent, node)
    this.#miss.forget()
    if (!node.dir) this.#fileList.add(node)
    this.changes?.add(node)
    this.#setLease(node, expireTime)
    return node
  }

  /** Gives a node the next index as `modifiedIndex`. */
  touch(node: Node): void {
    this.changes?.change(node, this.index + 1)
    node.modifiedIndex = this.index + 1
  }

  /** Gives a node the next index as `modifiedIndex` and `createdIndex`, as if it were new. */
  renew(node: Node): void {
    this.touch(node)
    node.createdIndex = node.modifiedIndex
  }

  /** Changes the value of a file, after {@link touch}. */
  setValue(file: FileNode, value: Value): void {
    this.changes?.changeValue(file)
    looseValues.add(file.value.length)
    file.value = value
  }

  /** @param expireTime in Unix milliseconds; absent makes the node permanent */
  setExpiry(node: Node, expireTime: number | undefined): void {
    if (node.dir) this.#longWay.forgetBelow(node)
    this.#setLease(node, expireTime)
  }

  #setLease(node: Node, expireTime: number | undefined): void {
    if (node.dir && expireTime !== undefined) this.#ahead.forget()
    if (expireTime === undefined) this.#leases.remove(node)
    // A time after the year 9999 would make a state that cannot be read back.
    else this.#leases.set(node, Math.min(Math.max(0, expireTime), MAX_EXPIRE_TIME))
  }

  /** Takes a node with all below it out of the tree. */
  remove(node: Node): void {
    if (node.parent !== null) this.changes?.remove(node, node.parent)
    this.#leases.cut(node)
    detach(node)
    looseValues.add(bytesOf(node))
    if (!node.dir) {
      this.#fileList.remove(node)
      return
    }
    this.#ahead.forget()
    this.#longWay.forget()
    if (node.children.size > 0) this.#removed.push(node.children.values())
  }

  /**
   * Takes a directory out of its place, for {@link hang}.
   *
   * @returns when it and the nodes below expire, in Unix milliseconds; their leases are taken back,
   * because their order depends on paths
   */
  lift(directory: DirectoryNode): Map<Node, number> {
    this.changes?.lift(directory)
    const leases = this.#leases.takeBack(directory, (node) => this.changes?.move(node))
    this.#ahead.forget()
    this.#longWay.forget()
    detach(directory)
    return leases
  }

  /** Puts a directory that has been lifted into another place. @param name one that is free there */
  hang(directory: DirectoryNode, parent: DirectoryNode, name: string): void {
    directory.name = keptName(name)
    attach(parent, directory)
    this.#miss.forget()
  }

  /** When the next node expires, in Unix milliseconds. */
  nextExpiry(): number | undefined {
    // At the ceiling nothing expires any more; nodes that are due stay hidden.
    return this.index < INDEX_CEILING ? this.#leases.top()?.expireTime : undefined
  }

  /** The node that expires first, if it is due; may be one below a removed directory. */
  firstDue(cutoff: number): Node | undefined {
    const lease = this.#leases.top()
    if (lease === undefined || lease.expireTime > cutoff) return undefined
    return this.index < INDEX_CEILING ? lease.node : undefined
  }

  /** What is due, and where. */
  get due(): Pick<Leases, 'dueIn' | 'gatherSome' | 'hasDue' | 'hasManyDue' | 'directories'> {
    return this.#leases
  }

  /** Whether {@link reclaim} has something to do. */
  get needsReclaim(): boolean {
    return this.#removed.length > 0
  }

  /**
   * Takes back the leases of nodes whose directory has been removed.
   *
   * @param limit the most nodes
   * @returns whether some are left
   */
  reclaim(limit: number): boolean {
    for (let left = limit; left > 0; left--) {
      const children = this.#removed.at(-1)
      if (children === undefined) break
      const { value: node, done } = children.next()
      if (done === true) {
        this.#removed.pop()
        continue
      }
      if (node.parent !== null) this.changes?.remove(node, node.parent)
      this.#leases.cut(node)
      looseValues.add(bytesOf(node))
      node.parent = null
      if (node.dir) this.#removed.push(node.children.values())
      else this.#fileList.remove(node)
    }
    return this.#removed.length > 0
  }

  /** Drops all nodes but the root, in constant time. */
  clear(): void {
    const root = new DirectoryNode('', null, this.#root.createdIndex)
    root.modifiedIndex = this.#root.modifiedIndex
    this.#replace(root, new Leases(), new FileList())
    this.changes?.replaceAll(root)
  }

  /** Replaces all nodes. @param leases when each of them expires, in Unix milliseconds */
  restore(root: DirectoryNode, leases: Iterable<readonly [Node, number]>, index: number): void {
    const all = new Leases()
    for (const [node, expireTime] of leases) all.set(node, expireTime)
    this.#replace(root, all, FileList.of(root))
    this.index = index
  }

  #replace(root: DirectoryNode, leases: Leases, fileList: FileList): void {
    if (this.#root.children.size > 0 || this.#removed.length > 0) looseValues.addAll()
    this.#ahead.clear()
    this.#longWay.forget()
    this.#removed.length = 0
    this.#root = root
    this.#leases = leases
    this.#fileList = fileList
  }
}
