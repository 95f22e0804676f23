import { type Clock, systemClock } from './clock.ts'
import { type Action, type Event, type NodeExtern, newEvent, represent } from './event.ts'
import { Guard } from './guard.ts'
import { EventHistory } from './history/event-history.ts'
import { MIN_CROWD } from './history/path-record.ts'
import { IndexWait, IndexWaits } from './index-waits.ts'
import { checkDepth, cleanPath, ownCopy } from './path.ts'
import { STAT_NAMES, Stats } from './stats.ts'
import type { Changes } from './tree/changes.ts'
import type { FileList } from './tree/file-list.ts'
import { LastCopy } from './tree/last-copy.ts'
import type { PathBatch } from './tree/look-ahead.ts'
import { type DirectoryNode, type FileNode, type Node, pathOf } from './tree/node.ts'
import { Tree } from './tree/tree.ts'
import type { TreeCopy } from './tree/tree-copy.ts'
import { VisiblePaths } from './tree/visible-paths.ts'
import { type Listener, type OnFailure, type Watcher, WatcherHub } from './watcher-hub.ts'

/** The most dropped events that are remembered between two readings of the clock. */
const REMEMBER_STEP = 1024

/** The number of nodes of removed directories that each write reclaims. */
const RECLAIM_STEP = 64

export interface StoreOptions {
  clock?: Clock
  /** The most events kept for watchers that resume; 1000 by default. */
  watchHistory?: number
  /** The most memory that those events take, in bytes, about; 256 MiB by default. */
  watchHistoryMemory?: number
  /** Whether other nodes have the same store: what this one alone has done is not saved with it. */
  isShared?: boolean
}

export interface DeleteOptions {
  dir?: boolean
  recursive?: boolean
}

export interface WatchOptions {
  /** See events below the path too. */
  recursive?: boolean | undefined
  /** See more than the first event. */
  stream?: boolean | undefined
  /** The first index wanted; absent or 0 means from now on. */
  since?: number | undefined
  /**
   * Called when the listener has thrown. The watch has then ended, because it has missed an event.
   * Without it the error is thrown later, by itself.
   */
  onFailure?: OnFailure | undefined
}

/** The contents of a store. */
export interface StoreState {
  readonly root: DirectoryNode
  /** When each node with a lease expires, in Unix milliseconds. */
  readonly leases: Iterable<readonly [Node, number]>
  readonly history: EventHistory
  readonly index: number
  readonly stats: Stats
}

class CallbackWait extends IndexWait {
  readonly #onReached: () => void

  constructor(index: number, onReached: () => void) {
    super(index)
    this.#onReached = onReached
  }

  override reached(): void {
    this.#onReached()
  }
}

/**
 * A tree whose every change is an event, which raises the index, goes into the history and is shown
 * to watchers. `ExpiringTree` adds expiry, and `Store` the operations that clients ask for.
 */
export class WatchableTree {
  readonly clock: Clock
  readonly stats = new Stats()
  readonly hub = new WatcherHub()
  /** Told of every change, unlike watchers: see {@link guard}. */
  readonly #guards = new WatcherHub({ showsHidden: true })
  readonly #indexWaits = new IndexWaits()
  protected readonly tree: Tree
  protected readonly lastCopy = new LastCopy()
  protected readonly isShared: boolean
  #history: EventHistory

  constructor(options: StoreOptions = {}) {
    this.clock = options.clock ?? systemClock
    this.tree = new Tree(this.clock)
    this.isShared = options.isShared === true
    this.#history = new EventHistory({
      events: options.watchHistory ?? 1000,
      bytes: options.watchHistoryMemory ?? 256 * 1024 * 1024,
      isShared: this.isShared,
    })
  }

  /** Every successful write and every expiry raises it by one; it begins at 0 (etcd: `Index`). */
  get index(): number {
    return this.tree.index
  }

  /** The directory that contains all others. */
  get root(): DirectoryNode {
    return this.tree.root
  }

  /** The events kept for watchers that resume. */
  get history(): EventHistory {
    return this.#history
  }

  /** Notes what changes, if a copy of the tree is kept elsewhere. */
  get changes(): Changes | undefined {
    return this.tree.changes
  }

  set changes(changes: Changes | undefined) {
    this.tree.changes = changes
  }

  /** Runs a function that asks for many paths in less time: one way leads to all files of a directory. */
  withManyPaths<Result>(run: () => Result): Result {
    return this.tree.withManyPaths(run)
  }

  /** The number of files, including expired ones that are not yet removed. */
  get files(): number {
    return this.tree.root.files
  }

  /** The number of all nodes below the root, those too. */
  get nodes(): number {
    return this.tree.root.nodes
  }

  /** The number of nodes with a TTL. */
  get leases(): number {
    return this.tree.leases
  }

  /** All files, to be visited bit by bit; a visitor skips those that are not {@link isVisible}. */
  get fileList(): FileList {
    return this.tree.fileList
  }

  /** Called before many nodes are copied, with how many there are, about; may throw. */
  set beforeCopy(check: (nodes: number) => void) {
    this.lastCopy.before = check
  }

  /** All nodes as they are now. @param withExpired those, too, that are due and not yet removed */
  keyCopy(withExpired: boolean): TreeCopy {
    const now = withExpired ? 0 : this.tree.now()
    return this.lastCopy.of(this.root, { recursive: true, hidden: true, now }, this.index)
  }

  /** Whether a node is in the tree, and neither it nor a directory above it has expired. */
  isVisible(node: Node, now: number): boolean {
    return this.tree.isVisible(node, now)
  }

  /** Finds the paths of many files. @param now Unix milliseconds */
  visiblePaths(now: number): VisiblePaths {
    return new VisiblePaths(this.tree.root, now)
  }

  /** The node at a path, or undefined if there is none. Counts nothing and makes no event. */
  lookup(path: string): Node | undefined {
    return this.tree.lookup(path)
  }

  /** The file at a path, if neither it nor a directory above it has a lease. Counts nothing. */
  permanentFile(path: string): FileNode | undefined {
    return this.tree.permanentFile(path)
  }

  /** See {@link Tree.lookAhead}. */
  lookAhead(batch: PathBatch, minFiles?: number): void {
    this.tree.lookAhead(batch, minFiles)
  }

  /**
   * Shows events at a path to a listener. Events kept since the index asked for are shown before this
   * returns, later ones as they happen.
   *
   * @param path kept as long as the watch lasts
   * @param listener called synchronously, in order of index
   * @throws StoreError EVENTINDEXCLEARED if an event asked for has been dropped
   */
  watch(path: string, options: WatchOptions, listener: Listener): Watcher {
    const key = cleanPath(path)
    checkDepth(key)
    const recursive = options.recursive === true
    const stream = options.stream === true
    let since = options.since || this.index + 1
    if (since <= this.index) {
      let event = this.#history.find(key, recursive, since, this.index)
      while (event !== undefined) {
        listener(event)
        if (!stream) return { path: key, recursive, remove() {} }
        since = event.index + 1
        event = this.#history.find(key, recursive, since, this.index)
      }
    }
    const wanted = { recursive, stream, since, onFailure: options.onFailure }
    const waits = since > this.index + 1 ? this.#indexWaits : undefined
    return this.hub.add(key, wanted, listener, waits)
  }

  /**
   * The first event, at or after an index, that a watcher of the path would see. A slow reader asks
   * for one after the other.
   *
   * @param limit the most events that are looked at; see {@link EventHistory.stoppedAt}
   * @throws StoreError EVENTINDEXCLEARED if it has been dropped
   */
  findEvent(path: string, recursive: boolean, since: number, limit?: number): Event | undefined {
    return this.#history.find(path, recursive, since, this.index, limit)
  }

  /**
   * Calls back at the first change at a path or below it, before any watcher is shown the change.
   * Refreshes count, and changes of hidden nodes, and the replacement of the whole store, though
   * watchers are not shown them. Not a change: the removal of a node that had expired before this call,
   * and the removal of a directory above where the path led to nothing.
   *
   * @param onChange called once, synchronously; must not throw, and must not write
   * @throws PathError
   */
  guard(path: string, onChange: () => void): Guard {
    const key = cleanPath(path)
    checkDepth(key)
    const guard = new Guard(this, ownCopy(key), this.clock.now(), onChange)
    this.#guards.attach(guard)
    return guard
  }

  /**
   * Calls back when the index is as high as this, at once if it is.
   *
   * @param onReached called once, synchronously; must not throw, and must not write
   * @returns a function that ends the wait
   */
  whenAt(index: number, onReached: () => void): () => void {
    const wait = new CallbackWait(index, onReached)
    this.#indexWaits.add(wait)
    this.#indexWaits.reach(this.index)
    return () => this.#indexWaits.remove(wait)
  }

  /** Calls back at every change, also at those that watchers are not shown, as {@link guard} does. */
  onEveryChange(listener: Listener): Watcher {
    return this.#guards.add('/', { recursive: true, stream: true, since: 0 }, listener)
  }

  /** When the next node expires, in Unix milliseconds (etcd: the top of the TTL heap). */
  nextExpiry(): number | undefined {
    return this.tree.nextExpiry()
  }

  /** Whether any node has a TTL. */
  hasTtlKeys(): boolean {
    this.reclaim(Number.POSITIVE_INFINITY)
    return this.tree.leases > 0
  }

  /** Whether {@link reclaim} has something to do. */
  get needsReclaim(): boolean {
    return this.tree.needsReclaim || this.#history.needsRemember
  }

  /**
   * See {@link Tree.reclaim}. Every write does a little of it; a server does the rest when idle. Has some dropped events
   * remembered, too.
   */
  reclaim(limit: number): boolean {
    const left = this.tree.reclaim(limit)
    return this.#history.remember(Math.min(limit, REMEMBER_STEP)) || left
  }

  /**
   * Goes on at a higher index, because events after the present one may have been shown and then
   * lost. Adds an event to the history that nobody is shown.
   */
  skipTo(index: number): void {
    this.#history.lose(this.index + 1, index)
    this.tree.index = index - 1
    const root = represent(this.root, '/', this.clock.now())
    const node = { ...root, modifiedIndex: index }
    this.record('update', node, undefined, true)
  }

  /** Replaces everything by another state. @param state nobody else uses it from now on */
  restore(state: StoreState): void {
    this.tree.restore(state.root, state.leases, state.index)
    this.#history = state.history
    Object.assign(this.stats, state.stats)
    const root = represent(state.root, '/', this.clock.now())
    this.#guards.notifyAll(newEvent('set', root, undefined, state.index))
    this.#indexWaits.reach(state.index)
  }

  /** Expires a node, with all below it. */
  protected expire(node: Node, now: number, path = pathOf(node)): void {
    this.remove('expire', node, path, now)
    this.stats.expireCount++
  }

  /** The counters, and how many watchers there are (etcd: `JsonStats`). */
  statsMap(): Record<string, number> {
    const map: Record<string, number> = {}
    for (const name of STAT_NAMES) map[name] = this.stats[name]
    map.watchers = this.hub.count
    return map
  }

  /** {@link Store.statsMap} as JSON (etcd: `JsonStats`). */
  jsonStats(): string {
    return JSON.stringify(this.statsMap())
  }

  /** Removes a node, with all below it, and records that. */
  protected remove(action: Action, node: Node, key: string, now: number): Event {
    const prevNode = represent(node, key, now)
    this.tree.remove(node)
    return this.recordRemoval(action, prevNode)
  }

  /** Records that a node has been removed. @param prevNode the node as it was */
  protected recordRemoval(action: Action, prevNode: NodeExtern): Event {
    const { key, dir, createdIndex } = prevNode
    const node: NodeExtern = {
      key,
      dir,
      value: undefined,
      expiration: undefined,
      ttl: undefined,
      nodes: undefined,
      modifiedIndex: this.index + 1,
      createdIndex,
    }
    return this.record(action, node, prevNode, false)
  }

  /** Every write ends here, or in {@link recordEvent}: the index rises, and watchers are told. */
  protected record(
    action: Action,
    node: NodeExtern,
    prevNode: NodeExtern | undefined,
    refresh: boolean,
  ): Event {
    const event = newEvent(action, node, prevNode, this.index + 1, refresh)
    this.recordEvent(event, 0)
    return event
  }

  /** @param nodes how many are below a directory; each will have an event, too */
  protected recordMove(node: NodeExtern, prevNode: NodeExtern | undefined, nodes: number): void {
    const event = newEvent('set', node, prevNode, this.index + 1)
    this.recordEvent(event, nodes < MIN_CROWD ? 0 : -nodes)
  }

  /** @param crowd what {@link crowdOf} has returned for the node's directory; 0 if not asked; see {@link EventHistory.add} */
  protected recordEvent(event: Event, crowd: number): void {
    const tree = this.tree
    tree.index = event.index
    this.#history.add(event, crowd)
    // The log comes before the watchers, because their messages may have to wait for it.
    tree.changes?.written(event)
    // Guards come first, because a transaction must fail whatever happens to a watcher.
    this.#guards.notify(event)
    if (event.index >= this.#indexWaits.lowest) this.#indexWaits.reach(event.index)
    if (!event.refresh) this.hub.notify(event)
    if (tree.needsReclaim) tree.reclaim(RECLAIM_STEP)
  }

  /** The number that the history has for a crowded directory; 0 for any other. */
  protected crowdOf(directory: DirectoryNode): number {
    if (directory.children.size < MIN_CROWD) return 0
    const { dropped } = this.#history
    if (!dropped.isCrowd(directory.crowd)) directory.crowd = dropped.crowdOf(pathOf(directory))
    return directory.crowd
  }
}
