import { type Clock, systemClock } from './clock.ts'
import { StoreError } from './errors.ts'
import { type Action, type Event, type NodeExtern, represent, representListing } from './event.ts'
import { EventHistory } from './event-history.ts'
import { attach, cloneTree, DirectoryNode, detach, FileNode, type Node, pathOf } from './node.ts'
import { checkDepth, cleanPath, joinPath, ownCopy } from './path.ts'
import { loadSnapshot, saveSnapshot } from './snapshot.ts'
import { STAT_NAMES, Stats } from './stats.ts'
import { MAX_EXPIRE_TIME, TtlHeap } from './ttl-heap.ts'
import { type Listener, type Watcher, WatcherHub } from './watcher-hub.ts'

/** The version of the data model, as etcd's v2 store counts it. */
const STORE_VERSION = 2
/** How many nodes of removed directories an operation clears away in passing. */
const RECLAIM_STEP = 64

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
 * `PathError` for a path too long or too deep.
 */
export class Store {
  readonly clock: Clock
  readonly stats = new Stats()
  readonly hub = new WatcherHub()
  #root = new DirectoryNode('', null, 0)
  #index = 0
  #history: EventHistory
  #heap = new TtlHeap()
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

  /** The events kept for watchers that resume. */
  get history(): EventHistory {
    return this.#history
  }

  /** How many files there are, those that are due to expire included. */
  get files(): number {
    return this.#root.files
  }

  /** How many nodes have a TTL. */
  get leases(): number {
    return this.#heap.size
  }

  /** @returns the node; of a directory also its children, one level or, if recursive, all */
  get(path: string, options: { recursive?: boolean; sorted?: boolean } = {}): Event {
    try {
      const key = cleanPath(path)
      const now = this.clock.now()
      const node = this.#find(key, now)
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

  /** Makes a directory, where a file may stand (a directory may not). */
  setDirectory(path: string, options: WriteOptions = {}): Event {
    return this.#set(path, undefined, options)
  }

  /** Changes the value and TTL of a file, or the TTL of a directory. */
  update(path: string, value: string, options: WriteOptions = {}): Event {
    try {
      const key = this.#writable(path)
      const now = this.clock.now()
      const node = this.#find(key, now)
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
      const key = this.#writable(path)
      const now = this.clock.now()
      const file = this.#findEqual(key, conditions, now)
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
      const key = cleanPath(path)
      const now = this.clock.now()
      const file = this.#findEqual(key, conditions, now)
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
      const key = this.#writable(path)
      const now = this.clock.now()
      const node = this.#find(key, now)
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
    return this.#heap.top()?.expireTime
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
      if (node.dir) this.#removed.push(node.children.values())
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
    return copy
  }

  /**
   * Replaces everything by a state saved here or by a real etcd (seed: `Recovery`). Watchers stay
   * and see what happens from then on.
   *
   * @throws SnapshotError if anything is wrong with it; the store is then as it was
   */
  recovery(state: string): void {
    const loaded = loadSnapshot(state, this.#history.limits)
    const heap = new TtlHeap()
    for (const [node, expireTime] of loaded.leases) heap.set(node, expireTime)
    this.#heap = heap
    this.#removed.length = 0
    this.#root = loaded.root
    this.#index = loaded.index
    this.#history = loaded.history
    Object.assign(this.stats, loaded.stats)
  }

  #create(path: string, value: string | undefined, options: WriteOptions & { unique?: boolean }) {
    try {
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
      const key = cleanPath(path)
      const now = this.clock.now()
      if (key === '/') throw new StoreError(107, '/', this.#index)
      const old = this.#walk(key, now)
      const refresh = options.refresh === true
      if (old === undefined && refresh) throw new StoreError(100, this.#stoppedAt, this.#index)
      if (old?.dir) throw new StoreError(102, key, this.#index)
      const prevNode = old === undefined ? undefined : represent(old, key, now)
      const content = refresh && value !== undefined && old !== undefined ? old.value : value
      let node: Node
      if (old !== undefined && content !== undefined) {
        // The same as a new node in its place, without taking the old one out.
        node = old
        node.value = content
        node.createdIndex = node.modifiedIndex = this.#index + 1
        this.#setExpiry(node, options.expireTime)
      } else {
        const { parent, name } = this.#makeParent(key, now)
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
    node.modifiedIndex = this.#index + 1
    this.#setExpiry(node, options.expireTime)
    return this.#written(action, represent(node, key, now), prevNode, refresh)
  }

  #remove(action: Action, node: Node, key: string, now: number): Event {
    const prevNode = represent(node, key, now)
    this.#detach(node)
    const index = this.#index + 1
    const gone: NodeExtern = {
      key,
      dir: node.dir,
      value: undefined,
      expiration: undefined,
      ttl: undefined,
      nodes: undefined,
      modifiedIndex: index,
      createdIndex: node.createdIndex,
    }
    return this.#written(action, gone, prevNode, false)
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
    if (!refresh) this.hub.notify(event)
    if (this.#removed.length > 0) this.reclaim(RECLAIM_STEP)
    return event
  }

  #expire(node: Node, now: number): void {
    this.#remove('expire', node, pathOf(node), now)
    this.stats.expireCount++
  }

  /** A directory counts as empty when all that is in it has expired. */
  #expireChildren(directory: DirectoryNode, now: number): void {
    for (const child of directory.children.values()) {
      if (!isOverdue(child, now)) return
      this.#expire(child, now)
    }
  }

  #detach(node: Node): void {
    detach(node)
    this.#heap.remove(node)
    if (node.dir && node.children.size > 0) this.#removed.push(node.children.values())
  }

  #insert(
    parent: DirectoryNode,
    name: string,
    value: string | undefined,
    options: WriteOptions,
  ): Node {
    const index = this.#index + 1
    const own = ownCopy(name)
    const node =
      value === undefined
        ? new DirectoryNode(own, parent, index)
        : new FileNode(own, parent, value, index)
    attach(parent, node)
    this.#setExpiry(node, options.expireTime)
    return node
  }

  #setExpiry(node: Node, expireTime: number | undefined): void {
    if (expireTime === undefined) this.#heap.remove(node)
    // Within what can be written down: a time of year 10000 would make a state that cannot be read.
    else this.#heap.set(node, Math.min(Math.max(0, expireTime), MAX_EXPIRE_TIME))
  }

  #writable(path: string): string {
    const key = cleanPath(path)
    if (key === '/') throw new StoreError(107, '/', this.#index)
    return key
  }

  #find(key: string, now: number): Node {
    const node = this.#walk(key, now)
    if (node === undefined) throw new StoreError(100, this.#stoppedAt, this.#index)
    return node
  }

  #findEqual(key: string, conditions: Conditions, now: number): FileNode {
    const node = this.#find(key, now)
    if (node.dir) throw new StoreError(102, key, this.#index)
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
   * @returns undefined, with the first missing path in `#stoppedAt`, if there is none
   * @throws StoreError NOTDIR if the way leads through a file
   */
  #walk(key: string, now: number): Node | undefined {
    let node: Node = this.#root
    if (key.length === 1) return node
    for (let start = 1; ; ) {
      if (!node.dir) throw new StoreError(104, key.slice(0, start - 1), this.#index)
      const end = key.indexOf('/', start)
      const name = end === -1 ? key.slice(start) : key.slice(start, end)
      const child: Node | undefined = node.children.get(name)
      if (child === undefined || isOverdue(child, now)) {
        this.#stoppedAt = end === -1 ? key : key.slice(0, end)
        return undefined
      }
      if (end === -1) return child
      node = child
      start = end + 1
    }
  }

  /** Walks down to the directory that a node goes into, making it where it is missing. */
  #makeParent(key: string, now: number): { parent: DirectoryNode; name: string } {
    // Before the first directory is made, so that a refused path leaves nothing behind.
    checkDepth(key)
    let parent = this.#root
    let start = 1
    for (let end = key.indexOf('/', start); end !== -1; end = key.indexOf('/', start)) {
      const name = key.slice(start, end)
      let child = this.#child(parent, name, now)
      if (child === undefined) {
        child = new DirectoryNode(ownCopy(name), parent, this.#index + 1)
        attach(parent, child)
      }
      if (!child.dir) throw new StoreError(104, key.slice(0, end), this.#index)
      parent = child
      start = end + 1
    }
    return { parent, name: key.slice(start) }
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

function isOverdue(node: Node, now: number): boolean {
  return node.lease !== null && node.lease.expireTime <= now
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
