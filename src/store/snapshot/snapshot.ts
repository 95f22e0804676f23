import { SnapshotError } from '../errors.ts'
import type { HistoryLimits } from '../history/event-history.ts'
import { isText } from '../text.ts'
import { parseSnapshot, type Snapshot } from './snapshot-parser.ts'
import { type SavedParts, SnapshotCopy } from './snapshot-pieces.ts'

/**
 * A store as etcd's own JSON document, so that what one has saved the other can load. A one-byte
 * string of its UTF-8.
 */
export function saveSnapshot(parts: SavedParts): string {
  return [...new SnapshotCopy(parts).pieces()].join('')
}

/**
 * Reads a saved state: one of ours, one of etcd's store, or one of a whole etcd server, whose keys
 * lie in a namespace of their own.
 *
 * @param state a one-byte string of the document's UTF-8
 * @param limits how much of the history to keep
 * @throws SnapshotError naming what is wrong and where
 */
export function loadSnapshot(state: string, limits: HistoryLimits): Snapshot {
  if (!isText(state)) throw new SnapshotError('the state is not valid UTF-8')
  let document: unknown
  try {
    document = JSON.parse(Buffer.from(state, 'latin1').toString('utf8'))
  } catch (error) {
    throw new SnapshotError(`the state is not JSON: ${(error as Error).message}`)
  }
  return parseSnapshot(document, limits)
}
