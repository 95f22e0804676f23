import { CommandError } from '../request/arguments/errors.ts'
import type { Client } from '../request/client.ts'
import { StoreError } from '../store/errors.ts'
import { cleanPath } from '../store/path.ts'
import type { FileNode, Node } from '../store/tree/node.ts'
import { pathOfKey } from './key.ts'

/** Redis's words for a key whose value is of another kind; here, a directory. */
export function wrongType(): CommandError {
  return new CommandError('WRONGTYPE Operation against a key holding the wrong kind of value')
}

/**
 * The file that a key names, or undefined where there is none.
 *
 * @throws CommandError WRONGTYPE if it is a directory
 */
export function findKey({ server }: Client, key: string): FileNode | undefined {
  const node = server.store.lookup(key)
  if (node === undefined) return undefined
  if (node.dir) throw wrongType()
  return node
}

/** The value of a key, or undefined where there is none, which is told as a miss. */
export function readKey(client: Client, key: string): string | undefined {
  const file = findKey(client, key)
  noteRead(client, key, file !== undefined)
  return file?.value
}

/** Counts a key that is read, and tells of a miss to those who listen. */
export function noteRead({ server }: Client, key: string, found: boolean): void {
  if (found) {
    server.stats.keyspaceHits++
    return
  }
  server.stats.keyspaceMisses++
  server.notifyKeyspace('keymiss', key)
}

/**
 * Makes or replaces a key.
 *
 * @param expireTime Unix milliseconds; absent makes it permanent
 * @throws CommandError WRONGTYPE if a directory stands there
 * @throws StoreError NOTDIR if the way leads through a file
 */
export function setKey({ server }: Client, key: string, value: string, expireTime?: number): void {
  try {
    if (expireTime === undefined) server.store.setFile(key, value)
    else server.store.set(key, value, { expireTime })
  } catch (error) {
    throw isDirectoryError(error) ? wrongType() : error
  }
}

/**
 * Makes or replaces a key, and tells of it as new in either case: where Redis deletes the former key
 * first. All else as {@link setKey}.
 */
export function replaceKey(
  client: Client,
  key: string,
  value: string,
  expireTime: number | undefined,
  former: Node | undefined,
): void {
  setKey(client, key, value, expireTime)
  // Of one that is new the store tells.
  if (former !== undefined) client.server.notifyKeyspace('new', key)
}

/**
 * Makes sure that {@link setKey} would do it.
 *
 * @returns whether the key exists
 * @throws as {@link setKey}
 */
export function checkSetKey({ server }: Client, key: string): boolean {
  try {
    return server.store.checkSet(key) !== undefined
  } catch (error) {
    throw isDirectoryError(error) ? wrongType() : error
  }
}

/** The root is a directory as well. */
function isDirectoryError(error: unknown): boolean {
  return error instanceof StoreError && (error.code === 102 || error.code === 107)
}

/**
 * Changes the value and TTL of a key that has just been found.
 *
 * @param expireTime Unix milliseconds; undefined makes it permanent
 */
export function updateKey(
  { server }: Client,
  key: string,
  value: string,
  expireTime: number | undefined,
): void {
  try {
    server.store.update(key, value, { expireTime })
  } catch (error) {
    ignoreExpired(error)
  }
}

/** Deletes a key that has just been found. */
export function deleteKey({ server }: Client, key: string): void {
  try {
    server.store.delete(key)
  } catch (error) {
    ignoreExpired(error)
  }
}

/** The time of a key may have passed since it was found: then it was written just before that. */
function ignoreExpired(error: unknown): void {
  if (!(error instanceof StoreError && error.code === 100)) throw error
}

export const noSuchKey = (): CommandError => new CommandError('ERR no such key')

export const sameObject = (): CommandError =>
  new CommandError('ERR source and destination objects are the same')

export function lookup({ server }: Client, key: string): Node | undefined {
  return server.store.lookup(pathOfKey(key))
}

/** Looks a key up for a command that only reads: a miss is told to those who listen. */
export function lookupToRead(client: Client, key: string): Node | undefined {
  const node = lookup(client, key)
  noteRead(client, key, node !== undefined)
  return node
}

/** Whether two keys are one. */
export function isSameKey(a: string, b: string): boolean {
  return a === b || cleanPath(pathOfKey(a)) === cleanPath(pathOfKey(b))
}
