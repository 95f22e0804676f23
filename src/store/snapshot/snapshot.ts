import { SnapshotError } from '../errors.ts'
import type { Event } from '../event.ts'
import { eventToJson } from '../event-json.ts'
import type { EventHistory, HistoryLimits } from '../history/event-history.ts'
import { joinPath } from '../path.ts'
import { STAT_NAMES, type Stats } from '../stats.ts'
import { isText, toBase64 } from '../text.ts'
import type { DirectoryNode, Node } from '../tree/node.ts'
import { checkDensity } from './json-density.ts'
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
 * A store as etcd's own JSON document, so that each can load what the other has saved. The result is
 * a one-byte string of the document's UTF-8.
 */
export function saveSnapshot(parts: SavedParts): string {
  const events: string[] = []
  for (const event of parts.history) events.push(savedEvent(event))
  const { startIndex, lastIndex } = parts.history
  const size = events.length
  const capacity = Math.max(size, ETCD_CAPACITY)
  // etcd inserts at a position into this array, so the array must be as long as its capacity.
  while (events.length < capacity) events.push('null')
  const queue = `{"Events":[${events.join(',')}],"Size":${size},"Front":0,"Back":${size % capacity},"Capacity":${capacity}}`
  const history = `{"Queue":${queue},"StartIndex":${startIndex},"LastIndex":${lastIndex}}`
  const counters = STAT_NAMES.map((name) => `"${name}":${parts.stats[name]}`)
  counters.push(`"watchers":${parts.watchers}`)
  return (
    `{"Root":${savedNode(parts.root, '/')},"WatcherHub":{"EventHistory":${history}},` +
    `"CurrentIndex":${parts.index},"Stats":{${counters.join(',')}},"CurrentVersion":${parts.version}}`
  )
}

/** An event; a refresh is marked after the other fields, as etcd does. */
function savedEvent(event: Event): string {
  const json = eventToJson(event)
  return event.refresh ? `${json.slice(0, -1)},"refresh":true}` : json
}

function savedNode(node: Node, path: string): string {
  const expireTime = node.lease === null ? ZERO_TIME : new Date(node.lease.expireTime).toISOString()
  const pathField = isText(path)
    ? `"Path":${JSON.stringify(path)}`
    : `"Path":"${toBase64(path)}","pathEncoding":"base64"`
  let value = '""'
  let encoding = ''
  let children = 'null'
  if (node.dir) {
    const parts: string[] = []
    for (const child of node.children.list) {
      parts.push(`${childKey(child.name)}:${savedNode(child, joinPath(path, child.name))}`)
    }
    children = `{${parts.join(',')}}`
  } else if (isText(node.value)) {
    value = JSON.stringify(node.value)
  } else {
    value = `"${toBase64(node.value)}"`
    encoding = ',"encoding":"base64"'
  }
  return (
    `{${pathField},"CreatedIndex":${node.createdIndex},"ModifiedIndex":${node.modifiedIndex},` +
    `"ExpireTime":"${expireTime}","Value":${value}${encoding},"Children":${children}}`
  )
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
export function loadSnapshot(state: string, limits: HistoryLimits): Snapshot {
  if (!isText(state)) throw new SnapshotError('the state is not valid UTF-8')
  const bytes = Buffer.from(state, 'latin1')
  checkDensity(bytes)
  let document: unknown
  try {
    document = JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    throw new SnapshotError(`the state is not JSON: ${(error as Error).message}`)
  }
  return parseSnapshot(document, limits)
}
