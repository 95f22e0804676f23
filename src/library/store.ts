import type { Clock } from '../store/clock.ts'
import type { Stats } from '../store/stats.ts'
import {
  type StoreOptions,
  Store as TreeStore,
  type WatchOptions,
  type WriteOptions,
} from '../store/store.ts'
import type { Watcher } from '../store/watcher-hub.ts'
import { type Event, textEvent } from './event.ts'
import {
  decodeBytes,
  decodeText,
  encodeText,
  encodeValue,
  type Text,
  withTextErrors,
} from './text.ts'

/** What compare-and-swap and compare-and-delete ask for. */
export interface Conditions {
  /** The value that the file must have. */
  prevValue?: Text | undefined
  /** The `modifiedIndex` that the file must have. */
  prevIndex?: number | undefined
}

/** Called with each event that a watcher sees. Must not throw. */
export type Listener = (event: Event) => void

/**
 * The tree, for programs: paths and values are text, or bytes where bytes are given. Events have both.
 * Inside, the tree keeps one byte a character, as clients send it; this class is the edge between the
 * two.
 */
export class Store {
  readonly #tree: TreeStore

  constructor(options: StoreOptions | TreeStore = {}) {
    this.#tree = options instanceof TreeStore ? options : new TreeStore(options)
  }

  get clock(): Clock {
    return this.#tree.clock
  }

  /** Counters of successes and failures. */
  get stats(): Stats {
    return this.#tree.stats
  }

  /** The version of the data model. */
  get version(): number {
    return this.#tree.version
  }

  /** Raised by one by every successful write and every expiry; 0 when empty. */
  get index(): number {
    return this.#tree.index
  }

  /** How many files there are, those that are due to expire included. */
  get files(): number {
    return this.#tree.files
  }

  /** How many nodes have a TTL. */
  get leases(): number {
    return this.#tree.leases
  }

  /** @returns the node; of a directory also its children, one level or, if recursive, all */
  get(path: Text, options: { recursive?: boolean; sorted?: boolean } = {}): Event {
    return this.#event(() => this.#tree.get(encodeText(path), options))
  }

  /**
   * Makes a file; missing parents become permanent directories.
   *
   * @param options `unique` appends the new index to the path: in-order keys
   */
  create(path: Text, value: Text, options: WriteOptions & { unique?: boolean } = {}): Event {
    return this.#event(() => this.#tree.create(encodeText(path), encodeValue(value), options))
  }

  /** Makes a directory; missing parents become permanent directories. */
  createDirectory(path: Text, options: WriteOptions & { unique?: boolean } = {}): Event {
    return this.#event(() => this.#tree.createDirectory(encodeText(path), options))
  }

  /** Makes or replaces a file. */
  set(path: Text, value: Text, options: WriteOptions = {}): Event {
    return this.#event(() => this.#tree.set(encodeText(path), encodeValue(value), options))
  }

  /** Makes a directory, which may replace a file, but not a directory. */
  setDirectory(path: Text, options: WriteOptions = {}): Event {
    return this.#event(() => this.#tree.setDirectory(encodeText(path), options))
  }

  /** Changes the value and TTL of a file, or the TTL of a directory. */
  update(path: Text, value: Text, options: WriteOptions = {}): Event {
    return this.#event(() => this.#tree.update(encodeText(path), encodeValue(value), options))
  }

  /** {@link Store.update}, of a file, if all conditions hold. */
  compareAndSwap(
    path: Text,
    conditions: Conditions,
    value: Text,
    options: WriteOptions = {},
  ): Event {
    return this.#event(() =>
      this.#tree.compareAndSwap(
        encodeText(path),
        encodeConditions(conditions),
        encodeValue(value),
        options,
      ),
    )
  }

  /** Deletes a file if all conditions hold. */
  compareAndDelete(path: Text, conditions: Conditions): Event {
    return this.#event(() =>
      this.#tree.compareAndDelete(encodeText(path), encodeConditions(conditions)),
    )
  }

  /**
   * Deletes a file or, with `dir`, an empty directory or, with `recursive`, any directory with all
   * below it.
   */
  delete(path: Text, options: { dir?: boolean; recursive?: boolean } = {}): Event {
    return this.#event(() => this.#tree.delete(encodeText(path), options))
  }

  /** Moves a node, and all nodes below it, to another path. A file that is there is replaced. */
  rename(from: Text, to: Text): void {
    withTextErrors(() => this.#tree.rename(encodeText(from), encodeText(to)))
  }

  /** Deletes all there is. */
  flush(): void {
    withTextErrors(() => this.#tree.flush())
  }

  /**
   * Shows events at a path to a listener: first those kept since the index asked for, at once, then
   * those to come.
   */
  watch(path: Text, options: WatchOptions, listener: Listener): Watcher {
    return withTextErrors(() => {
      const show = this.#tree.watch(encodeText(path), options, (event) =>
        listener(textEvent(event)),
      )
      return { path: decodeText(show.path), recursive: show.recursive, remove: () => show.remove() }
    })
  }

  /** When the next node expires, in Unix milliseconds. */
  nextExpiry(): number | undefined {
    return this.#tree.nextExpiry()
  }

  /** Whether any node has a TTL. */
  hasTtlKeys(): boolean {
    return this.#tree.hasTtlKeys()
  }

  /**
   * Expires, oldest first, what is due. A server does that by itself.
   *
   * @param cutoff Unix milliseconds
   * @returns how many have been expired
   */
  deleteExpiredKeys(cutoff: number, limit?: number): number {
    return this.#tree.deleteExpiredKeys(cutoff, limit)
  }

  /** The counters, and how many watchers there are. */
  statsMap(): Record<string, number> {
    return this.#tree.statsMap()
  }

  /** {@link Store.statsMap} as JSON. */
  jsonStats(): string {
    return this.#tree.jsonStats()
  }

  /** The whole store as etcd's JSON document, taken from a copy. */
  save(): string {
    return decodeText(this.#tree.save())
  }

  /** The whole store as etcd's JSON document, read in place. */
  saveNoCopy(): string {
    return decodeText(this.#tree.saveNoCopy())
  }

  /** {@link Store.saveNoCopy} as the bytes of a file. */
  saveBytes(): Buffer {
    return decodeBytes(this.#tree.saveNoCopy())
  }

  /** Another store with the same nodes, history and stats, but no watchers. */
  clone(): Store {
    return new Store(this.#tree.clone())
  }

  /**
   * Replaces everything by a state saved here or by a real etcd.
   *
   * @throws SnapshotError if anything is wrong with it; the store is then as it was
   */
  recovery(state: Text): void {
    withTextErrors(() => this.#tree.recovery(encodeValue(state)))
  }

  #event(operation: () => Parameters<typeof textEvent>[0]): Event {
    return textEvent(withTextErrors(operation))
  }
}

function encodeConditions({ prevValue, prevIndex }: Conditions) {
  return { prevIndex, prevValue: prevValue === undefined ? undefined : encodeValue(prevValue) }
}
