import { type Event, keyOf, removesDirectory } from '../event.ts'
import { isBelow, isHiddenBelow } from '../path.ts'

/**
 * Whether a watcher at `path` sees an event. It sees events at the path itself; if recursive, events
 * below the path that are not behind a hidden component; and the removal of a directory above the
 * path. No watcher sees a refresh.
 */
export function isWatched(event: Event, path: string, recursive: boolean): boolean {
  if (event.refresh) return false
  const key = keyOf(event)
  return isInside(key, path, recursive) || (removesDirectory(event) && isBelow(path, key))
}

function isInside(key: string, path: string, recursive: boolean): boolean {
  return key === path || (recursive && isBelow(key, path) && !isHiddenBelow(key, path))
}
