import { type Clock, systemClock } from './clock.ts'
import { PathError, StoreError } from './errors.ts'
import { type Action, type Event, type NodeExtern, represent, representListing } from './event.ts'
import { CROWD } from './history/dropped-events.ts'
import { EventHistory } from './history/event-history.ts'
import { FileChange } from './history/short-event.ts'
import { checkIndex, INDEX_CEILING } from './index-ceiling.ts'
import {
  absolute,
  checkDepth,
  checkLength,
  cleanPath,
  firstComponent,
  isBelow,
  isImproper,
  isProper,
  joinPath,
  tidyPath,
} from './path.ts'
import { loadSnapshot, saveSnapshot } from './snapshot/snapshot.ts'
import { STAT_NAMES, Stats } from './stats.ts'
import type { Changes } from './tree/changes.ts'
import { FileList } from './tree/file-list.ts'
import { keptName } from './tree/kept-name.ts'
import { LookAhead, type PathBatch } from './tree/look-ahead.ts'
import { component, scanComponent } from './tree/name-hash.ts'
import {
  attach,
  cloneTree,
  DirectoryNode,
  detach,
  FileNode,
  isHidden,
  type Node,
  pathOf,
} from './tree/node.ts'
import { byExpireTime, MAX_EXPIRE_TIME, TtlHeap } from './tree/ttl-heap.ts'
import { type Listener, type Watcher, WatcherHub } from './watcher-hub.ts'

/** The version of the data model, as etcd's v2 store counts it. */
const STORE_VERSION = 2
/** Of so few files most are in the processor's cache anyway. */
const CACHED_FILES = 10_000
/** How many nodes of removed directories an operation clears away in passing. */
const RECLAIM_STEP = 64
/** Without a TTL. */
const PERMANENT: WriteOptions = {}

export interface StoreOptions {
  clock?: Clock
  /** How many events are kept for watchers that resume; 1000 by default. */
  watchHistory?: number
  /** How many bytes of keys and values those events may hold; 256 MiB by default. */
  watchHistoryMemory?: number
}

export interface WriteOptions {
  /** When the node expires, in Unix milliseconds; absent makes it permanent. */
  expireTime?: number | undefined
  /** Keep the value, change only the TTL, and notify no watcher. */
  refresh?: boolean | undefined
}

export interface Conditions {
  /** The value that the file must have. */
  prevValue?: string | undefined
  /** The `modifiedIndex` that the file must have. */
  prevIndex?: number | undefined
}

/** All that a store holds. */
export interface StoreState {
  readonly root: DirectoryNode
  /** Who expires when, in Unix milliseconds. */
  readonly leases: readonly (readonly [Node, number])[]
  readonly history: EventHistory
  readonly index: number
  readonly stats: Stats
}

export interface WatchOptions {
  /** See what happens below the path too. */
  recursive?: boolean | undefined
  /** Go on after the first event. */
  stream?: boolean | undefined
  /** The first index wanted; absent or 0 means from now on. */
  since?: number | undefined
}

/**
 * The tree: etcd's v2 store, in memory. Synchronous, without timers or I/O; time comes from the
 * clock. Keys and values are strings of one byte a character. A node whose time has passed is
 * invisible from that moment, whether or not {@link Store.deleteExpiredKeys} has run.
 *
 * Operations throw {@link StoreError} where the state of the tree does not allow them, and
 * `PathError` for a path too long or too deep. Writes throw `IndexError` at the ceiling of the index.
 */
export class Store {
  readonly clock: Clock
  readonly stats = new Stats()
  readonly hub = new WatcherHub()
  /** Those who want to know whether anything has changed at a place: see {@link Store.guard}. */
  readonly #guards = new WatcherHub({ showsHidden: true })
  /** Who takes note of all changes, if somebody keeps a copy of the tree. */
  changes: Changes | undefined
  #root = new DirectoryNode('', null, 0)
  #index = 0
  #history: EventHistory
  #heap = new TtlHeap()
  #fileList = new FileList()
  readonly #ahead = new LookAhead()
  /** What is in removed directories, as far as the leases there are still to be taken back. */
  readonly #removed: Iterator<Node, undefined>[] = []
  /** Where the last walk ended without finding its node: the path that a 100 or 104 names. */
  #stoppedAt = ''

  constructor(options: StoreOptions = {}) {
    this.clock = options.clock ?? systemClock
    this.#history = new EventHistory({
      events: options.watchHistory ?? 1000,
      bytes: options.watchHistoryMemory ?? 256 * 1024 * 1024,
    })
  }

  /** The version of the data model (seed: `Version`). */
  get version(): number {
    return STORE_VERSION
  }

  /** Raised by one by every successful write and every expiry; 0 when empty (seed: `Index`). */
  get index(): number {
    return this.#index
  }

  /** The directory that all others are in. */
  get root(): DirectoryNode {
    return this.#root
  }

  /** The events kept for watchers that resume. */
  get history(): EventHistory {
    return this.#history
  }

  /** How many files there are, those that are due to expire included. */
  get files(): number {
    return this.#root.files
  }

  /**
   * All files, for those who go through them bit by bit: those among them that {@link isVisible}
   * does not tell of are gone, or due to go.
   */
  get fileList(): FileList {
    return this.#fileList
  }

  /** Whether a node is in the tree, and neither its time has passed nor that of one above it. */
  isVisible(node: Node, now: number): boolean {
    let at: Node = node
    for (; at.parent !== null; at = at.parent) if (isOverdue(at, now)) return false
    return at === this.#root
  }

  /** How many nodes have a TTL. */
  get leases(): number {
    return this.#heap.size
  }

  /** @returns the node; of a directory also its children, one level or, if recursive, all */
  get(path: string, options: { recursive?: boolean; sorted?: boolean } = {}): Event {
    try {
      const tidy = tidyPath(path)
      const key = absolute(tidy)
      const now = this.#now()
      const node = this.#find(tidy, now)
      const extern = node.dir
        ? representListing(node, key, options.recursive === true, options.sorted === true, now)
        : represent(node, key, now)
      this.stats.getsSuccess++
      return newEvent('get', extern, undefined, this.#index)
    } catch (error) {
      this.stats.getsFail++
      throw error
    }
  }

  /**
   * The node at a path, or undefined if there is none, or its time has passed. Counts nothing, and
   * makes no event: for those who need no more than its value.
   */
  lookup(path: string): Node | undefined {
    const known = this.#ahead.find(path)
    if (known !== undefined) return this.#unlessOverdue(known)
    checkLength(path)
    let directory = this.#root
    for (let start: number = firstComponent(path); ; start = component.end + 1) {
      scanComponent(path, start)
      const { end, hash } = component
      const child = directory.children.find(path, start, end, hash)
      const node = child === undefined ? undefined : this.#unlessOverdue(child)
      if (node === undefined || (end < path.length && !node.dir)) {
        // No node has such a name; and what follows may lead elsewhere: `missing/../there`.
        const clean = end === path.length ? !isImproper(path, start, end) : isProper(path, start)
        return clean ? undefined : this.#lookupUnclean(path)
      }
      if (end === path.length) return node
      directory = node as DirectoryNode
    }
  }

  /**
   * Follows the paths of requests that come next, all at once, so that their look-ups need not wait
   * for the memory; see {@link LookAhead}. To be called for each batch, however few: the one before is
   * forgotten then.
   *
   * @param least with fewer files than that it is not worth it: most are in the cache anyway
   */
  lookAhead(batch: PathBatch, least = CACHED_FILES): void {
    if (this.files >= least) this.#ahead.follow(this.#root, batch)
    else this.#ahead.forget()
  }

  /**
   * The file at a path if nothing expires there or on the way: the most frequent case, in which the
   * time need not be known. Counts as a successful {@link Store.get}.
   *
   * @returns undefined if it is not so simple; then `get` has the answer
   */
  getFile(path: string): FileNode | undefined {
    const file = this.#permanentFile(path)
    if (file !== undefined) this.stats.getsSuccess++
    return file
  }

  #unlessOverdue(node: Node): Node | undefined {
    return node.lease !== null && isOverdue(node, this.clock.now()) ? undefined : node
  }

  #permanentFile(path: string): FileNode | undefined {
    const known = this.#ahead.find(path)
    if (known !== undefined) return known.dir || known.lease !== null ? undefined : known
    let directory = this.#root
    for (let start: number = firstComponent(path); ; start = component.end + 1) {
      scanComponent(path, start)
      const { end, hash } = component
      const node = directory.children.find(path, start, end, hash)
      if (node === undefined || node.lease !== null) return undefined
      if (end === path.length) return node.dir ? undefined : node
      if (!node.dir) return undefined
      directory = node
    }
  }

  #lookupUnclean(path: string): Node | undefined {
    const key = cleanPath(path)
    return key.length === 1 ? this.#root : this.lookup(key)
  }

  /**
   * Makes a file; missing parents become permanent directories.
   *
   * @param unique append the new index to the path, in-order keys
   */
  create(path: string, value: string, options: WriteOptions & { unique?: boolean } = {}): Event {
    return this.#create(path, value, options)
  }

  /** Makes a directory; missing parents become permanent directories. */
  createDirectory(path: string, options: WriteOptions & { unique?: boolean } = {}): Event {
    return this.#create(path, undefined, options)
  }

  /** Makes or replaces a file. */
  set(path: string, value: string, options: WriteOptions = {}): Event {
    return this.#set(path, value, options)
  }

  /**
   * {@link Store.set} without a TTL, for those who can do with the short form of its event, which it
   * returns where a permanent file is replaced by another: half the time, and a third of the memory.
   */
  setFile(path: string, value: string): FileChange | Event {
    const file = this.#permanentFile(path)
    if (file === undefined || file.parent === null) return this.#set(path, value, PERMANENT)
    checkIndex(this.#index)
    const index = this.#index + 1
    const { modifiedIndex, createdIndex } = file
    const key = absolute(path)
    const change = new FileChange(
      'set',
      key,
      value,
      index,
      index,
      file.value,
      modifiedIndex,
      createdIndex,
    )
    this.changes?.change(file, index)
    file.value = value
    file.createdIndex = file.modifiedIndex = index
    this.#changed(change, isHidden(file) ? 0 : this.#crowdOf(file.parent))
    this.stats.setsSuccess++
    return change
  }

  /**
   * Makes sure that {@link Store.set} would succeed, and changes nothing: for those who write many
   * nodes, or none.
   *
   * @returns the file that is there, if there is one
   * @throws what `set` would throw
   */
  checkSet(path: string): FileNode | undefined {
    const key = absolute(this.#writable(path))
    checkDepth(key)
    const node = this.#walk(key, this.clock.now())
    if (node?.dir) throw new StoreError(102, key, this.#index)
    return node
  }

  /** Makes a directory, where a file may stand (a directory may not). */
  setDirectory(path: string, options: WriteOptions = {}): Event {
    return this.#set(path, undefined, options)
  }

  /** Changes the value and TTL of a file, or the TTL of a directory. */
  update(path: string, value: string, options: WriteOptions = {}): Event {
    try {
      const tidy = this.#writable(path)
      const key = absolute(tidy)
      const now = this.#now(options.expireTime)
      const node = this.#find(tidy, now)
      if (node.dir && value !== '') throw new StoreError(102, key, this.#index)
      const event = this.#change('update', node, key, value, options, now)
      this.stats.updateSuccess++
      return event
    } catch (error) {
      this.stats.updateFail++
      throw error
    }
  }

  /** {@link Store.update}, of a file, if all conditions hold. */
  compareAndSwap(
    path: string,
    conditions: Conditions,
    value: string,
    options: WriteOptions = {},
  ): Event {
    try {
      const tidy = this.#writable(path)
      const key = absolute(tidy)
      const now = this.#now(options.expireTime)
      const file = this.#findEqual(tidy, conditions, now)
      const event = this.#change('compareAndSwap', file, key, value, options, now)
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
      checkIndex(this.#index)
      const tidy = tidyPath(path)
      const key = absolute(tidy)
      const now = this.#now()
      const file = this.#findEqual(tidy, conditions, now)
      const event = this.#remove('compareAndDelete', file, key, now)
      this.stats.compareAndDeleteSuccess++
      return event
    } catch (error) {
      this.stats.compareAndDeleteFail++
      throw error
    }
  }

  /**
   * Deletes a file or, with `dir`, an empty directory or, with `recursive`, any directory with all
   * below it.
   */
  delete(path: string, options: { dir?: boolean; recursive?: boolean } = {}): Event {
    try {
      const tidy = this.#writable(path)
      const key = absolute(tidy)
      const now = this.#now()
      const node = this.#find(tidy, now)
      if (node.dir && options.recursive !== true) {
        if (options.dir !== true) throw new StoreError(102, key, this.#index)
        this.#expireChildren(node, now)
        if (node.children.size > 0) throw new StoreError(108, key, this.#index)
      }
      const event = this.#remove('delete', node, key, now)
      this.stats.deleteSuccess++
      return event
    } catch (error) {
      this.stats.deleteFail++
      throw error
    }
  }

  /**
   * Moves a node, a directory with all below it, to a path where at the most a file stands, which it
   * replaces. Values and TTLs stay. It is told as a `delete` at the old path and a `set` of every
   * node at its new one, parents first (docs/decisions/0008).
   *
   * @throws StoreError NOTFILE if a directory stands there, and what {@link Store.set} throws
   * @throws PathError if it would come to lie below itself, or anything too deep
   */
  rename(from: string, to: string): void {
    try {
      const oldKey = absolute(this.#writable(from))
      const newKey = absolute(this.#writable(to))
      const now = this.clock.now()
      const node = this.#find(oldKey, now)
      if (newKey === oldKey) return
      if (node.dir && isBelow(newKey, oldKey)) {
        throw new PathError('a directory cannot be moved below itself')
      }
      // Whatever could fail fails here, before anything has changed.
      checkDepth(newKey)
      if (this.#walk(newKey, now)?.dir) throw new StoreError(102, newKey, this.#index)
      const overdue = node.dir ? overdueBelow(node, newKey, now) : []
      this.#expireAlong(newKey, now)
      for (const each of overdue) this.#expire(each, now)
      if (node.dir) this.#moveDirectory(node, oldKey, newKey, now)
      else this.#moveFile(node, oldKey, newKey, now)
    } catch (error) {
      this.stats.setsFail++
      throw error
    }
  }

  /**
   * Deletes all there is, in constant time: one `delete` of `/`, which every watcher sees. Does
   * nothing where there is nothing.
   */
  flush(): void {
    const full = this.#root
    if (full.children.size === 0) return
    checkIndex(this.#index)
    const prevNode = represent(full, '/', this.clock.now())
    this.#ahead.clear()
    this.#root = new DirectoryNode('', null, full.createdIndex)
    this.#root.modifiedIndex = full.modifiedIndex
    this.#heap = new TtlHeap()
    this.#fileList = new FileList()
    this.#removed.length = 0
    this.changes?.replaceAll()
    this.#gone('delete', prevNode)
    this.stats.deleteSuccess++
  }

  /**
   * Shows events at a path to a listener: first those kept since the index asked for, at once,
   * then those to come.
   *
   * @param listener called synchronously, in order of index; must not throw
   * @throws StoreError EVENTINDEXCLEARED if an event asked for has been dropped
   */
  watch(path: string, options: WatchOptions, listener: Listener): Watcher {
    const key = cleanPath(path)
    checkDepth(key)
    const recursive = options.recursive === true
    const stream = options.stream === true
    let since = options.since || this.#index + 1
    if (since <= this.#index) {
      let event = this.#history.find(key, recursive, since, this.#index)
      while (event !== undefined) {
        listener(event)
        if (!stream) return { path: key, recursive, remove() {} }
        since = event.index + 1
        event = this.#history.find(key, recursive, since, this.#index)
      }
    }
    return this.hub.add(key, recursive, stream, since, listener)
  }

  /**
   * Calls back at the first change at a path or below it, whatever it is: what watchers are not
   * shown (refreshes, hidden nodes) too, and the replacement of the whole store. No change is it
   * when something that had expired before is cleared away, or when nothing was there and something
   * above is removed.
   *
   * @param listener called once, synchronously; must not throw, and must not write
   * @throws PathError
   */
  guard(path: string, listener: () => void): Watcher {
    const key = cleanPath(path)
    checkDepth(key)
    const since = this.clock.now()
    const existed = this.lookup(key) !== undefined
    const watcher = this.#guards.add(key, true, true, 0, (event) => {
      const expiration = event.action === 'expire' ? event.prevNode?.expiration : undefined
      if (expiration !== undefined && expiration <= since) return
      const above = isBelow(key, event.node.key)
      if (above && !existed && this.lookup(key) === undefined) return
      watcher.remove()
      listener()
    })
    return watcher
  }

  /**
   * Whether a node at, above or below a path has expired after a time, and is not yet cleared away.
   *
   * @param path absolute and clean
   * @param since Unix milliseconds
   */
  hasOverdue(path: string, since: number): boolean {
    for (const { node, expireTime } of this.#heap.due(this.clock.now())) {
      if (expireTime <= since || !this.#isAttached(node)) continue
      const key = pathOf(node)
      if (key === path || isBelow(key, path) || isBelow(path, key)) return true
    }
    return false
  }

  /**
   * Expires what a write to a path would expire first, if it is due: so that no expiry comes in
   * between several writes.
   */
  expireBefore(path: string): void {
    const next = this.nextExpiry()
    const now = this.clock.now()
    if (next === undefined || next > now) return
    const key = cleanPath(path)
    this.#expireAlong(key, now)
    if (this.lookup(key)?.dir !== true) return
    const below = [...this.#heap.due(now)].filter(({ node }) => isBelow(pathOf(node), key))
    for (const { node } of below.sort(byExpireTime))
      if (this.#isAttached(node)) this.#expire(node, now)
  }

  /**
   * The first event, at or after an index, that a watcher of the path would see: for those who
   * replay at their own pace.
   *
   * @throws StoreError EVENTINDEXCLEARED if it has been dropped
   */
  findEvent(path: string, recursive: boolean, since: number): Event | undefined {
    if (since > this.#index) return undefined
    return this.#history.find(path, recursive, since, this.#index)
  }

  /** When the next node expires, in Unix milliseconds (seed: the top of the TTL heap). */
  nextExpiry(): number | undefined {
    // At the ceiling nothing is expired any more; what is due stays hidden.
    return this.#index < INDEX_CEILING ? this.#heap.top()?.expireTime : undefined
  }

  /** Whether any node has a TTL. */
  hasTtlKeys(): boolean {
    this.reclaim(Number.POSITIVE_INFINITY)
    return this.#heap.size > 0
  }

  /**
   * Expires, oldest first, what is due: each with an event of its own, a directory with all below
   * it in one.
   *
   * @param cutoff Unix milliseconds
   * @param limit how many at the most, so that a server can serve others in between
   * @returns how many have been expired
   */
  deleteExpiredKeys(cutoff: number, limit = Number.POSITIVE_INFINITY): number {
    let count = 0
    for (let steps = 0; steps < limit; steps++) {
      const lease = this.#heap.top()
      if (lease === undefined || lease.expireTime > cutoff) break
      if (this.#index >= INDEX_CEILING) break
      if (this.#isAttached(lease.node)) {
        this.#expire(lease.node, cutoff)
        count++
      } else {
        this.#heap.remove(lease.node)
      }
    }
    return count
  }

  /** Whether {@link Store.reclaim} has something to do. */
  get needsReclaim(): boolean {
    return this.#removed.length > 0
  }

  /**
   * Takes back the leases of nodes whose directory has been removed. Every write does a little of
   * it; a server does the rest when it is idle.
   *
   * @param limit how many nodes at the most
   * @returns whether something is left to do
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
      this.#heap.remove(node)
      if (node.parent !== null) this.changes?.remove(node, node.parent)
      node.parent = null
      if (node.dir) this.#removed.push(node.children.values())
      else this.#fileList.remove(node)
    }
    return this.#removed.length > 0
  }

  /** The counters, and how many watchers there are (seed: `JsonStats`). */
  statsMap(): Record<string, number> {
    const map: Record<string, number> = {}
    for (const name of STAT_NAMES) map[name] = this.stats[name]
    map.watchers = this.hub.count
    return map
  }

  /** {@link Store.statsMap} as JSON (seed: `JsonStats`). */
  jsonStats(): string {
    return JSON.stringify(this.statsMap())
  }

  /** The whole store as etcd's JSON document, taken from a copy (seed: `Save`). */
  save(): string {
    return this.clone().saveNoCopy()
  }

  /** The whole store as etcd's JSON document, read in place (seed: `SaveNoCopy`). */
  saveNoCopy(): string {
    return saveSnapshot({
      root: this.#root,
      history: this.#history,
      index: this.#index,
      stats: this.stats,
      watchers: this.hub.count,
      version: STORE_VERSION,
    })
  }

  /** A store of its own with the same nodes, history and stats, and no watchers (seed: `Clone`). */
  clone(): Store {
    const copy = new Store({ clock: this.clock })
    copy.#index = this.#index
    copy.#history = this.#history.clone()
    Object.assign(copy.stats, this.stats)
    copy.#root = cloneTree(this.#root, null, (node, expireTime) => {
      copy.#heap.set(node, expireTime)
    })
    copy.#fileList = FileList.of(copy.#root)
    return copy
  }

  /**
   * Replaces everything by a state saved here or by a real etcd (seed: `Recovery`). Watchers stay
   * and see what happens from then on.
   *
   * @throws SnapshotError if anything is wrong with it; the store is then as it was
   */
  recovery(state: string): void {
    this.restore(loadSnapshot(state, this.#history.limits))
    this.changes?.replaceAll()
  }

  /**
   * Goes on at a higher index: what came after the present one may have been shown, and is lost.
   * The history gets an event that is shown to nobody.
   */
  skipTo(index: number): void {
    this.#history.lose(this.#index + 1, index)
    this.#index = index - 1
    const root = represent(this.#root, '/', this.clock.now())
    const node = { ...root, modifiedIndex: index }
    this.#written('update', node, undefined, true)
  }

  /** Replaces everything by a state that has been read from elsewhere, and is not used there. */
  restore(state: StoreState): void {
    const heap = new TtlHeap()
    for (const [node, expireTime] of state.leases) heap.set(node, expireTime)
    this.#heap = heap
    this.#ahead.clear()
    this.#removed.length = 0
    this.#root = state.root
    this.#fileList = FileList.of(state.root)
    this.#index = state.index
    this.#history = state.history
    Object.assign(this.stats, state.stats)
    const root = represent(this.#root, '/', this.clock.now())
    this.#guards.notifyAll(newEvent('set', root, undefined, this.#index))
  }

  #create(path: string, value: string | undefined, options: WriteOptions & { unique?: boolean }) {
    try {
      checkIndex(this.#index)
      const now = this.clock.now()
      let key = cleanPath(path)
      if (options.unique === true) {
        // What has expired on the way takes an index first: the name is made of the next one.
        this.#expireAlong(key, now)
        key = cleanPath(joinPath(key, String(this.#index + 1).padStart(20, '0')))
      }
      if (key === '/') throw new StoreError(107, '/', this.#index)
      const { parent, name } = this.#makeParent(key, now)
      if (this.#child(parent, name, now) !== undefined) throw new StoreError(105, key, this.#index)
      const node = this.#insert(parent, name, value, options)
      const event = this.#written('create', represent(node, key, now), undefined, false)
      this.stats.createSuccess++
      return event
    } catch (error) {
      this.stats.createFail++
      throw error
    }
  }

  #set(path: string, value: string | undefined, options: WriteOptions): Event {
    try {
      const tidy = this.#writable(path)
      const key = absolute(tidy)
      const now = this.#now(options.expireTime)
      const old = this.#walk(tidy, now)
      const refresh = options.refresh === true
      if (old === undefined && refresh) throw new StoreError(100, this.#stoppedAt, this.#index)
      if (old?.dir) throw new StoreError(102, key, this.#index)
      const prevNode = old === undefined ? undefined : represent(old, key, now)
      const content = refresh && value !== undefined && old !== undefined ? old.value : value
      let node: Node
      if (old !== undefined && content !== undefined) {
        // The same as a new node in its place, without taking the old one out.
        node = old
        this.changes?.change(node, this.#index + 1)
        node.value = content
        node.createdIndex = node.modifiedIndex = this.#index + 1
        this.#setExpiry(node, options.expireTime)
      } else {
        const { parent, name } = this.#makeParent(tidy, now)
        const file = this.#child(parent, name, now)
        if (file !== undefined) this.#detach(file)
        node = this.#insert(parent, name, content, options)
      }
      const event = this.#written('set', represent(node, key, now), prevNode, refresh)
      this.stats.setsSuccess++
      return event
    } catch (error) {
      this.stats.setsFail++
      throw error
    }
  }

  #change(
    action: Action,
    node: Node,
    key: string,
    value: string,
    options: WriteOptions,
    now: number,
  ): Event {
    const prevNode = represent(node, key, now)
    const refresh = options.refresh === true
    if (!node.dir && !refresh) node.value = value
    this.changes?.change(node, this.#index + 1)
    node.modifiedIndex = this.#index + 1
    this.#setExpiry(node, options.expireTime)
    return this.#written(action, represent(node, key, now), prevNode, refresh)
  }

  #remove(action: Action, node: Node, key: string, now: number): Event {
    const prevNode = represent(node, key, now)
    this.#detach(node)
    return this.#gone(action, prevNode)
  }

  #gone(action: Action, prevNode: NodeExtern): Event {
    const { key, dir, createdIndex } = prevNode
    const node: NodeExtern = {
      key,
      dir,
      value: undefined,
      expiration: undefined,
      ttl: undefined,
      nodes: undefined,
      modifiedIndex: this.#index + 1,
      createdIndex,
    }
    return this.#written(action, node, prevNode, false)
  }

  #moveFile(file: FileNode, oldKey: string, newKey: string, now: number): void {
    const expireTime = file.lease?.expireTime
    this.#remove('delete', file, oldKey, now)
    this.stats.deleteSuccess++
    this.#set(newKey, file.value, { expireTime })
  }

  #moveDirectory(directory: DirectoryNode, oldKey: string, newKey: string, now: number): void {
    const before = represent(directory, oldKey, now)
    this.#ahead.forget()
    detach(directory)
    this.#gone('delete', before)
    this.stats.deleteSuccess++
    const { parent, name } = this.#makeParent(newKey, now)
    const file = parent.children.get(name)
    const prevNode = file === undefined ? undefined : represent(file, newKey, now)
    if (file !== undefined) this.#detach(file)
    directory.name = keptName(name)
    attach(parent, directory)
    this.#moved(directory, newKey, prevNode, now)
  }

  /** Tells of a node that has been moved, and of all below it, as if it had been set. */
  #moved(node: Node, key: string, prevNode: NodeExtern | undefined, now: number): void {
    this.changes?.change(node, this.#index + 1)
    node.createdIndex = node.modifiedIndex = this.#index + 1
    this.#written('set', represent(node, key, now), prevNode, false)
    this.stats.setsSuccess++
    if (!node.dir) return
    node.crowd = 0
    for (const child of node.children.list) {
      this.#moved(child, joinPath(key, child.name), undefined, now)
    }
  }

  /** What every write ends with: a new index, an event in the history, watchers told. */
  #written(
    action: Action,
    node: NodeExtern,
    prevNode: NodeExtern | undefined,
    refresh: boolean,
  ): Event {
    this.#index++
    const event = newEvent(action, node, prevNode, this.#index, refresh)
    this.#history.add(event)
    // Before watchers are told: what they are sent may have to wait for the copy.
    this.changes?.written()
    if (!refresh) this.hub.notify(event)
    this.#guards.notify(event)
    if (this.#removed.length > 0) this.reclaim(RECLAIM_STEP)
    return event
  }

  /** What a change of a file ends with, as {@link Store.#written}. @param crowd of its directory */
  #changed(change: FileChange, crowd: number): void {
    this.#index = change.index
    this.#history.add(change, crowd)
    this.changes?.written()
    if (!this.hub.idle || !this.#guards.idle) {
      const event = change.toEvent()
      this.hub.notify(event)
      this.#guards.notify(event)
    }
    if (this.#removed.length > 0) this.reclaim(RECLAIM_STEP)
  }

  /** What {@link EventHistory.add} is to be told of a directory: it need not be asked of small ones. */
  #crowdOf(directory: DirectoryNode): number {
    if (directory.children.size < CROWD) return 0
    const { dropped } = this.#history
    if (!dropped.isCrowd(directory.crowd)) directory.crowd = dropped.crowdOf(pathOf(directory))
    return directory.crowd
  }

  #expire(node: Node, now: number): void {
    this.#remove('expire', node, pathOf(node), now)
    this.stats.expireCount++
  }

  /** A directory counts as empty when all that is in it has expired. */
  #expireChildren(directory: DirectoryNode, now: number): void {
    const { list } = directory.children
    const alive = list.findIndex((child) => !isOverdue(child, now))
    for (const child of list.slice(0, alive === -1 ? list.length : alive)) this.#expire(child, now)
  }

  #detach(node: Node): void {
    if (node.parent !== null) this.changes?.remove(node, node.parent)
    detach(node)
    this.#heap.remove(node)
    if (node.dir) this.#ahead.forget()
    if (!node.dir) this.#fileList.remove(node)
    else if (node.children.size > 0) this.#removed.push(node.children.values())
  }

  #insert(
    parent: DirectoryNode,
    name: string,
    value: string | undefined,
    options: WriteOptions,
  ): Node {
    const index = this.#index + 1
    const own = keptName(name)
    const node =
      value === undefined
        ? new DirectoryNode(own, parent, index)
        : new FileNode(own, parent, value, index)
    attach(parent, node)
    if (!node.dir) this.#fileList.add(node)
    this.changes?.add(node)
    this.#setExpiry(node, options.expireTime)
    return node
  }

  #setExpiry(node: Node, expireTime: number | undefined): void {
    if (expireTime === undefined) this.#heap.remove(node)
    // Within what can be written down: a time of year 10000 would make a state that cannot be read.
    else {
      if (node.dir) this.#ahead.forget()
      this.#heap.set(node, Math.min(Math.max(0, expireTime), MAX_EXPIRE_TIME))
    }
  }

  /**
   * The time, for those who want to know whether something has expired and when it will: where nothing
   * ever does the machine need not be asked.
   *
   * @param expireTime of what is about to be written, if it expires
   */
  #now(expireTime?: number): number {
    return expireTime === undefined && this.#heap.size === 0 ? 0 : this.clock.now()
  }

  /** @returns the path made tidy @throws StoreError ROOTRONLY if it is the root's */
  #writable(path: string): string {
    checkIndex(this.#index)
    const tidy = tidyPath(path)
    if (isRoot(tidy)) throw new StoreError(107, '/', this.#index)
    return tidy
  }

  #find(tidy: string, now: number): Node {
    const node = this.#walk(tidy, now)
    if (node === undefined) throw new StoreError(100, this.#stoppedAt, this.#index)
    return node
  }

  #findEqual(tidy: string, conditions: Conditions, now: number): FileNode {
    const node = this.#find(tidy, now)
    if (node.dir) throw new StoreError(102, absolute(tidy), this.#index)
    const { prevValue, prevIndex } = conditions
    const valueDiffers = prevValue !== undefined && prevValue !== node.value
    const indexDiffers = prevIndex !== undefined && prevIndex !== node.modifiedIndex
    if (!valueDiffers && !indexDiffers) return node
    const causes: string[] = []
    if (valueDiffers) causes.push(`[${prevValue} != ${node.value}]`)
    if (indexDiffers) causes.push(`[${prevIndex} != ${node.modifiedIndex}]`)
    throw new StoreError(101, causes.join(' '), this.#index)
  }

  /**
   * Walks down to a node.
   *
   * @param tidy a clean path, with or without the slash in front
   * @returns undefined, with the first missing path in `#stoppedAt`, if there is none
   * @throws StoreError NOTDIR if the way leads through a file
   */
  #walk(tidy: string, now: number): Node | undefined {
    let node: Node = this.#root
    if (isRoot(tidy)) return node
    for (let start: number = firstComponent(tidy); ; start = component.end + 1) {
      if (!node.dir) throw new StoreError(104, absolute(tidy.slice(0, start - 1)), this.#index)
      scanComponent(tidy, start)
      const { end, hash } = component
      const child: Node | undefined = node.children.find(tidy, start, end, hash)
      if (child === undefined || isOverdue(child, now)) {
        this.#stoppedAt = absolute(tidy.slice(0, end))
        return undefined
      }
      if (end === tidy.length) return child
      node = child
    }
  }

  /** Walks down to the directory that a node goes into, making it where it is missing. */
  #makeParent(tidy: string, now: number): { parent: DirectoryNode; name: string } {
    // Before the first directory is made, so that a refused path leaves nothing behind.
    checkDepth(absolute(tidy))
    let parent = this.#root
    let start: number = firstComponent(tidy)
    for (let end = tidy.indexOf('/', start); end !== -1; end = tidy.indexOf('/', start)) {
      const name = tidy.slice(start, end)
      let child = this.#child(parent, name, now)
      if (child === undefined) {
        child = new DirectoryNode(keptName(name), parent, this.#index + 1)
        attach(parent, child)
        this.changes?.add(child)
      }
      if (!child.dir) throw new StoreError(104, absolute(tidy.slice(0, end)), this.#index)
      parent = child
      start = end + 1
    }
    return { parent, name: tidy.slice(start) }
  }

  /** Expires the first node on the way to a path whose time has passed. */
  #expireAlong(key: string, now: number): void {
    let node: Node = this.#root
    for (const name of key.slice(1).split('/')) {
      const child: Node | undefined = node.dir ? this.#child(node, name, now) : undefined
      if (child === undefined) return
      node = child
    }
  }

  /** A child to write to: one whose time has passed is expired first, with its event. */
  #child(parent: DirectoryNode, name: string, now: number): Node | undefined {
    const child = parent.children.get(name)
    if (child === undefined || !isOverdue(child, now)) return child
    this.#expire(child, now)
    return undefined
  }

  /** Whether a node is in the tree, and not below a removed directory. */
  #isAttached(node: Node): boolean {
    let top: Node = node
    while (top.parent !== null) top = top.parent
    return top === this.#root
  }
}

function isRoot(tidy: string): boolean {
  return tidy.length === 1 && tidy === '/'
}

function isOverdue(node: Node, now: number): boolean {
  return node.lease !== null && node.lease.expireTime <= now
}

/**
 * What has expired below a directory that is to be moved.
 *
 * @param path where to
 * @throws PathError if a path below would be too long or too deep there
 */
function overdueBelow(directory: DirectoryNode, path: string, now: number): Node[] {
  const overdue: Node[] = []
  for (const child of directory.children.list) {
    const childPath = joinPath(path, child.name)
    checkLength(childPath)
    checkDepth(childPath)
    if (isOverdue(child, now)) overdue.push(child)
    else if (child.dir) for (const each of overdueBelow(child, childPath, now)) overdue.push(each)
  }
  return overdue
}

function newEvent(
  action: Action,
  node: NodeExtern,
  prevNode: NodeExtern | undefined,
  index: number,
  refresh = false,
): Event {
  return { action, node, prevNode, index, refresh }
}
