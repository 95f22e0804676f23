import type { Event } from '../store/event.ts'
import { isBelow } from '../store/path.ts'

/**
 * An event as a watcher may see it. A watcher is told of the removal of a directory above its path; if
 * its user may not read that directory, it is told that its own path has been removed.
 *
 * @param watcher is asked whether it may see a path
 * @param path what it watches, clean
 */
export function eventAsSeen(
  watcher: { maySee(path: string): boolean },
  path: string,
  event: Event,
): Event {
  const { action, node, index, refresh } = event
  if (!isBelow(path, node.key) || watcher.maySee(node.key)) return event
  return {
    action,
    node: {
      key: path,
      dir: false,
      value: undefined,
      expiration: undefined,
      ttl: undefined,
      nodes: undefined,
      modifiedIndex: index,
      createdIndex: index,
    },
    prevNode: undefined,
    index,
    refresh,
  }
}
