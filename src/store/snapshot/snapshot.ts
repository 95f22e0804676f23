import { constants } from 'node:buffer'
import { SnapshotError } from '../errors.ts'
import { addEvent } from '../event-json.ts'
import type { EventHistory, HistoryLimits } from '../history/event-history.ts'
import { JsonValue } from '../json-value.ts'
import { joinPath } from '../path.ts'
import { PieceList, type Pieces } from '../pieces.ts'
import { STAT_NAMES, type Stats } from '../stats.ts'
import { isText, toBase64 } from '../text.ts'
import type { DirectoryNode, FileNode, Node } from '../tree/node.ts'
import { bytesOf, isTextValue, type Value } from '../value.ts'
import { parseSnapshot, type Snapshot } from './snapshot-parser.ts'

/** Go's zero time, which means "never". */
const ZERO_TIME = '0001-01-01T00:00:00Z'
/** The capacity of etcd's own event queue. */
const ETCD_CAPACITY = 1000

/** The parts of a saved state. */
export interface SavedParts {
  root: DirectoryNode
  history: EventHistory
  index: number
  stats: Stats
  watchers: number
  version: number
}

/**
 * A store as etcd's own JSON document, so ktree and etcd can load each other's. The result is a
 * one-byte string of the document's UTF-8.
 */
export function saveSnapshot(parts: SavedParts): Pieces {
  const pieces = new PieceList()
  pieces.add('{"Root":')
  addNode(pieces, parts.root, '/')
  pieces.add(',"WatcherHub":{"EventHistory":')
  addHistory(pieces, parts.history)
  const counters = STAT_NAMES.map((name) => `"${name}":${parts.stats[name]}`)
  counters.push(`"watchers":${parts.watchers}`)
  pieces.add(
    `},"CurrentIndex":${parts.index},"Stats":{${counters.join(',')}},"CurrentVersion":${parts.version}}`,
  )
  return pieces
}

function addHistory(pieces: PieceList, history: EventHistory): void {
  const { size, startIndex, lastIndex } = history
  pieces.add('{"Queue":{"Events":[')
  let separator = ''
  for (const event of history) {
    pieces.add(separator)
    // A refresh is marked as etcd marks it.
    addEvent(pieces, event, event.refresh ? ',"refresh":true' : '')
    separator = ','
  }
  // etcd inserts at a position into this array, so it has to be as long as it says.
  const capacity = Math.max(size, ETCD_CAPACITY)
  const nulls = new Array(capacity - size).fill('null').join(',')
  pieces.add(
    `${nulls === '' ? '' : separator}${nulls}],"Size":${size},"Front":0,"Back":${size % capacity},"Capacity":${capacity}}` +
      `,"StartIndex":${startIndex},"LastIndex":${lastIndex}}`,
  )
}

function addNode(pieces: PieceList, node: Node, path: string): void {
  const expireTime = node.lease === null ? ZERO_TIME : new Date(node.lease.expireTime).toISOString()
  const pathField = isText(path)
    ? `"Path":${JSON.stringify(path)}`
    : `"Path":"${toBase64(path)}","pathEncoding":"base64"`
  pieces.add(
    `{${pathField},"CreatedIndex":${node.createdIndex},"ModifiedIndex":${node.modifiedIndex},` +
      `"ExpireTime":"${expireTime}","Value":`,
  )
  if (!node.dir) {
    addValue(pieces, node)
    return
  }
  let separator = '"","Children":{'
  for (const child of node.children.list) {
    pieces.add(`${separator}${childKey(child.name)}:`)
    addNode(pieces, child, joinPath(path, child.name))
    separator = ','
  }
  pieces.add(separator === ',' ? '}}' : `${separator}}}`)
}

/** The value of a file, and the fields behind it. */
function addValue(pieces: PieceList, { value }: FileNode): void {
  if (typeof value === 'string') {
    pieces.add(
      isText(value)
        ? `${JSON.stringify(value)},"Children":null}`
        : `"${toBase64(value)}","encoding":"base64","Children":null}`,
    )
    return
  }
  const json = new JsonValue(value)
  pieces.add(json)
  pieces.add(json.isText ? ',"Children":null}' : ',"encoding":"base64","Children":null}')
}

/** A name that is not text gets a prefix with a slash, which no other name can have. */
function childKey(name: string): string {
  return isText(name) ? JSON.stringify(name) : `"base64/${toBase64(name)}"`
}

/**
 * Reads a state saved by ktree, by etcd's store, or by a whole etcd server, which keeps its clients'
 * keys in a namespace of their own.
 *
 * @param state a one-byte string of the document's UTF-8
 * @param limits of the history
 * @throws SnapshotError naming what is wrong and where
 */
export function loadSnapshot(state: Value, limits: HistoryLimits): Snapshot {
  const bytes = bytesOf(state)
  if (bytes.length > constants.MAX_STRING_LENGTH) {
    throw new SnapshotError(`the state is larger than ${constants.MAX_STRING_LENGTH} bytes`)
  }
  if (!isTextValue(bytes)) throw new SnapshotError('the state is not valid UTF-8')
  let document: unknown
  try {
    document = JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw new SnapshotError(`the state is not JSON: ${(error as Error).message}`)
  }
  return parseSnapshot(document, limits)
}
