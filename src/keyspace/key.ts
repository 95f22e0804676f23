import type { FileNode } from '../store/tree/node.ts'
import { pathOf } from '../store/tree/node.ts'
export const SLASH = 47

/**
 * The path of a key: `user:1` is `/user:1`, `a/b` is `/a/b`, and `/a/b` is the same.
 *
 * The store cleans it; what begins with a slash costs it half the time.
 */
export function pathOfKey(key: string): string {
  return key.charCodeAt(0) === SLASH ? key : `/${key}`
}

/** The key that a path is listed as: without the slash at its front. */
export function keyOfPath(path: string): string {
  return path.slice(1)
}

export const keyOf = (file: FileNode): string => keyOfPath(pathOf(file))
