import type { ServerStats } from '../metrics/counters.ts'
import { CommandError } from '../request/arguments/errors.ts'
import { StoreError } from '../store/errors.ts'
import { cleanPath } from '../store/path.ts'
import type { Sets } from '../store/sets.ts'
import type { Store } from '../store/store.ts'
import type { FileNode, Node } from '../store/tree/node.ts'
import { textOfValue, type Value } from '../store/value.ts'
import type { KeyspaceEvent } from './events.ts'
import { pathOfKey } from './key.ts'
import type { KeyspaceNotifier } from './notifier.ts'

/** Redis's error for a key of the wrong type: in ktree, a directory. */
export function wrongType(): CommandError {
  return new CommandError('WRONGTYPE Operation against a key holding the wrong kind of value')
}

export const noSuchKey = (): CommandError => new CommandError('ERR no such key')

export const sameObject = (): CommandError =>
  new CommandError('ERR source and destination objects are the same')

/** Whether two keys name the same node. */
export function isSameKey(a: string, b: string): boolean {
  return a === b || cleanPath(pathOfKey(a)) === cleanPath(pathOfKey(b))
}

/** The tree as Redis's commands see it: files are keys, reads hit or miss, writes are published. */
export class Keyspace {
  readonly #store: Store
  readonly #counters: ServerStats
  /** Absent while `notify-keyspace-events` is empty. */
  notifier: KeyspaceNotifier | undefined

  /** @param counters count hits and misses */
  constructor(store: Store, counters: ServerStats) {
    this.#store = store
    this.#counters = counters
  }

  /**
   * Publishes a keyspace notification, if `notify-keyspace-events` asks for it.
   *
   * @param key the key as the client wrote it
   */
  notify(event: KeyspaceEvent, key: string): void {
    if (this.notifier !== undefined) this.notifier.notify(event, key)
  }

  /** The node that a key names, whether file or directory; undefined if there is none. */
  lookup(key: string): Node | undefined {
    return this.#store.lookup(pathOfKey(key))
  }

  /** Like {@link Keyspace.lookup}, for a command that only reads: counts a hit or a miss. */
  lookupToRead(key: string): Node | undefined {
    const node = this.lookup(key)
    this.noteRead(key, node !== undefined)
    return node
  }

  /** Like {@link Keyspace.lookup}, for a key that is not empty. */
  nodeAt(key: string): Node | undefined {
    return this.#store.lookup(key)
  }

  /**
   * The file of a key; undefined if there is none.
   *
   * @throws CommandError WRONGTYPE if it is a directory
   */
  find(key: string): FileNode | undefined {
    const node = this.#store.lookup(key)
    if (node === undefined) return undefined
    if (node.dir) throw wrongType()
    return node
  }

  /**
   * The value of a key; undefined if there is none. Counts a hit or a miss.
   *
   * @throws CommandError WRONGTYPE if it is a directory
   */
  read(key: string): Value | undefined {
    const file = this.find(key)
    this.noteRead(key, file !== undefined)
    return file?.value
  }

  /** Counts a read as a hit or a miss, and publishes a miss. */
  noteRead(key: string, found: boolean): void {
    if (found) {
      this.#counters.keyspaceHits++
      return
    }
    this.#counters.keyspaceMisses++
    this.notify('keymiss', key)
  }

  /**
   * Makes or replaces a key.
   *
   * @param expireTime Unix milliseconds; absent makes it permanent
   * @throws CommandError WRONGTYPE if the key is a directory
   * @throws StoreError NOTDIR if a parent is a file
   */
  set(key: string, value: Value, expireTime?: number): void {
    try {
      if (expireTime === undefined) this.#store.setFile(key, value)
      else this.#store.set(key, value, { expireTime })
    } catch (error) {
      throw isDirectoryError(error) ? wrongType() : error
    }
  }

  /**
   * Like {@link Keyspace.set}, but publishes the key as new even if it existed, because Redis deletes
   * the former key first.
   *
   * @param former the node that the key replaces, if there is one
   */
  replace(
    key: string,
    value: Value,
    expireTime: number | undefined,
    former: Node | undefined,
  ): void {
    this.set(key, value, expireTime)
    // If there was no key, the store's own event already leads to `new`.
    if (former !== undefined) this.notify('new', key)
  }

  /**
   * Checks whether {@link Keyspace.set} would succeed, and changes nothing.
   *
   * @param sets will make the set
   * @returns whether the key exists
   * @throws as {@link Keyspace.set}
   */
  checkSet(sets: Sets, key: string): boolean {
    try {
      return sets.check(key)
    } catch (error) {
      throw isDirectoryError(error) ? wrongType() : error
    }
  }

  /**
   * Changes the value and TTL of a key that the command has just found.
   *
   * @param expireTime Unix milliseconds; undefined makes it permanent
   */
  update(key: string, value: Value, expireTime: number | undefined): void {
    try {
      this.#store.update(key, value, { expireTime })
    } catch (error) {
      ignoreExpired(error)
    }
  }

  /** Deletes a key that the command has just found. */
  delete(key: string): void {
    try {
      this.#store.delete(key)
    } catch (error) {
      ignoreExpired(error)
    }
  }
}

/** Whether a write failed because the path is a directory; the root (107) is one, too. */
function isDirectoryError(error: unknown): boolean {
  return error instanceof StoreError && (error.code === 102 || error.code === 107)
}

/** Ignores that a key expired after it was found: the command counts as run just before that. */
function ignoreExpired(error: unknown): void {
  if (!(error instanceof StoreError && error.code === 100)) throw error
}

/** The value of a key as a request names it, also one of 8 KB or more; empty if there is no file. */
export function valueAt(store: Store, key: Value): Value {
  const node = store.lookup(pathOfKey(textOfValue(key)))
  return node?.dir === false ? node.value : ''
}
