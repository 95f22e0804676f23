import { type FileNode, pathOf } from '../store/tree/node.ts'

const SLASH = 47

/**
 * The path of a key: `/user:1` for `user:1`, `/a/b` for both `a/b` and `/a/b`.
 *
 * The store cleans the path. The slash is added because cleaning then takes half the time.
 */
export function pathOfKey(key: string): string {
  return key.charCodeAt(0) === SLASH ? key : `/${key}`
}

/** The key of a clean path, as listings show it: without the first slash. */
export function keyOfPath(path: string): string {
  return path.slice(1)
}

/** The key of a file in the tree. */
export const keyOf = (file: FileNode): string => keyOfPath(pathOf(file))
