import { type FileNode, pathOf } from '../store/tree/node.ts'

const SLASH = 47

/**
 * The path of a key: `user:1` is `/user:1`, `a/b` is `/a/b`, and `/a/b` is the same.
 *
 * The store cleans it; a path that begins with a slash costs it half the time.
 */
export function pathOfKey(key: string): string {
  return key.charCodeAt(0) === SLASH ? key : `/${key}`
}

/** The key that a path is listed as: without the slash at its front. */
export function keyOfPath(path: string): string {
  return path.slice(1)
}

/** The key of a file in the tree. */
export const keyOf = (file: FileNode): string => keyOfPath(pathOf(file))
