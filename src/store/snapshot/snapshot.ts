import { constants } from 'node:buffer'
import { SnapshotError } from '../errors.ts'
import type { HistoryLimits } from '../history/event-history.ts'
import { bytesOf, isTextValue, type Value } from '../value.ts'
import { parseSnapshot, type Snapshot } from './snapshot-parser.ts'

/** The longest state that can be read, in bytes. */
export const MAX_STATE_BYTES = constants.MAX_STRING_LENGTH

/**
 * Reads a state saved by ktree, by etcd's store, or by a whole etcd server, which keeps its clients'
 * keys in a namespace of their own.
 *
 * @param state the document in UTF-8; as a string, it has one byte a character
 * @param limits of the history
 * @param isCopy whether it is the copy of a store of a group, to be taken as it is: no namespace is looked for in
 *   it, and no counter is lowered
 * @throws SnapshotError naming what is wrong and where
 */
export function loadSnapshot(state: Value, limits: HistoryLimits, isCopy = false): Snapshot {
  const bytes = bytesOf(state)
  if (bytes.length > MAX_STATE_BYTES) {
    throw new SnapshotError(`the state is larger than ${MAX_STATE_BYTES} bytes`)
  }
  if (!isTextValue(bytes)) throw new SnapshotError('the state is not valid UTF-8')
  const limit = Error.stackTraceLimit
  // Errors of JSON.parse become others, and their stacks would take longer than a short text.
  Error.stackTraceLimit = 0
  try {
    return parseSnapshot(bytes, limits, isCopy)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new SnapshotError(`the state is not JSON: ${error.message}`)
  } finally {
    Error.stackTraceLimit = limit
  }
}
