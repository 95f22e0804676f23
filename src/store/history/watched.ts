import { type Event, removesDirectory } from '../event.ts'
import { isBelow, isHiddenBelow } from '../path.ts'
import { FileChange } from './short-event.ts'

/**
 * Whether a watcher at `path` sees an event: one at the path itself; if recursive, one below it
 * that is not behind a hidden component; and the removal of a directory above it. A refresh is
 * seen by nobody.
 */
export function isWatched(event: Event | FileChange, path: string, recursive: boolean): boolean {
  if (event instanceof FileChange) return isInside(event.key, path, recursive)
  if (event.refresh) return false
  const { key } = event.node
  return isInside(key, path, recursive) || (removesDirectory(event) && isBelow(path, key))
}

function isInside(key: string, path: string, recursive: boolean): boolean {
  return key === path || (recursive && isBelow(key, path) && !isHiddenBelow(key, path))
}
