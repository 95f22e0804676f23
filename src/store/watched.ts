import { type Event, removesDirectory } from './event.ts'
import { isBelow, isHiddenBelow } from './path.ts'

/**
 * Whether a watcher at `path` sees an event: one at the path itself; if recursive, one below it
 * that is not behind a hidden component; and the removal of a directory above it. A refresh is
 * seen by nobody.
 */
export function isWatched(event: Event, path: string, recursive: boolean): boolean {
  if (event.refresh) return false
  const key = event.node.key
  if (key === path) return true
  if (recursive && isBelow(key, path)) return !isHiddenBelow(key, path)
  return removesDirectory(event) && isBelow(path, key)
}
