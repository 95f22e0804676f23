import { SnapshotError } from '../errors.ts'
import { ACTIONS, type Action, type Event, type NodeExtern } from '../event.ts'
import { EventHistory, type HistoryLimits } from '../history/event-history.ts'
import { MAX_SAVED_COUNT, MAX_SAVED_INDEX } from '../index-ceiling.ts'
import { STAT_NAMES, Stats } from '../stats.ts'
import { fromBase64, textToBytes } from '../text.ts'
import type { LeaseList } from '../tree/lease-list.ts'
import type { DirectoryNode } from '../tree/node.ts'
import { MAX_EXPIRE_TIME } from '../tree/ttl-heap.ts'
import { JsonReader, type Span } from './json-reader.ts'
import {
  asFields,
  asIndex,
  expiry,
  type Fields,
  show,
  valueField,
  ZERO_TIME,
} from './saved-fields.ts'
import { TreeParser } from './tree-parser.ts'

/** A saved state that has been read and checked. */
export interface Snapshot {
  root: DirectoryNode
  leases: LeaseList
  history: EventHistory
  index: number
  stats: Stats
}

const KNOWN_ACTIONS: ReadonlySet<string> = new Set(ACTIONS)
/** Seconds from Go's zero time to the last time whose year has four digits. */
const MAX_TTL = Math.ceil((MAX_EXPIRE_TIME - ZERO_TIME) / 1000)

/** etcd's server keeps the clients' keys below this directory, and its own keys below `/0`. */
const KEYS_NAMESPACE = '/1'

/**
 * Checks a document from top to bottom and makes a state of it.
 *
 * @throws SnapshotError; SyntaxError if it is not JSON
 */
export function parseSnapshot(json: Buffer, limits: HistoryLimits): Snapshot {
  const reader = new JsonReader(json)
  if (!reader.isObject) asFields(reader.value(), 'the state')
  const spans = new Map<string, Span>()
  reader.enter()
  for (let name = reader.field(); name !== undefined; name = reader.field()) {
    spans.set(name, reader.skip())
  }
  reader.end()
  const valueOfField = (name: string): unknown => {
    const span = spans.get(name)
    return span === undefined ? undefined : reader.valueAt(span)
  }
  const version = valueOfField('CurrentVersion')
  if (version !== 2) throw new SnapshotError(`CurrentVersion is ${show(version)}, expected 2`)
  const index = asIndex(valueOfField('CurrentIndex'), 'CurrentIndex', MAX_SAVED_INDEX)
  const saved = spans.get('Root')
  if (saved === undefined) throw new SnapshotError('Root is missing, expected an object')
  const { root, leases, prefix } = readTree(json, saved[0], index)
  const history = new EventHistory(limits)
  readHistory(history, valueOfField('WatcherHub'), index, prefix)
  return { root, leases, history, index, stats: readStats(valueOfField('Stats')) }
}

/** The clients' keys, and what their paths begin with in the document. @param start of the root */
function readTree(json: Buffer, start: number, index: number): Tree {
  const read = (at: number, prefix: string): Tree => {
    const parser = new TreeParser(new JsonReader(json, at), index, prefix)
    return { root: parser.root(), leases: parser.leases, prefix }
  }
  const namespace = keysNamespace(json, start, '1')
  if (namespace !== undefined) return read(namespace, KEYS_NAMESPACE)
  const tree = read(start, '')
  // In a document that somebody has put into another order it may stand anywhere.
  const isServer = ['0', '1'].every((name) => tree.root.children.get(name)?.createdIndex === 0)
  const anywhere = isServer ? keysNamespace(json, start) : undefined
  return anywhere === undefined ? tree : read(anywhere, KEYS_NAMESPACE)
}

interface Tree {
  readonly root: DirectoryNode
  readonly leases: LeaseList
  readonly prefix: string
}

/**
 * Where the clients' keys are in the state of a whole etcd server; undefined in any other state. A server
 * makes two directories at index 0, before any write, and a third one if it has users. In other
 * states only the root can have that index.
 *
 * @param root where it begins
 * @param last the name after which they are not looked for, because documents are in order
 */
function keysNamespace(json: Buffer, root: number, last?: string): number | undefined {
  const children = startsIn(json, root, ['Children']).get('Children')
  if (children === undefined) return undefined
  const found = startsIn(json, children, ['0', '1'], last)
  for (const name of ['0', '1']) {
    const start = found.get(name)
    if (start === undefined) return undefined
    const reader = new JsonReader(json, start)
    if (!reader.isObject) asFields(reader.value(), `/${name}`)
    const created = startsIn(json, start, ['CreatedIndex']).get('CreatedIndex')
    if (created === undefined || new JsonReader(json, created).value() !== 0) return undefined
  }
  return found.get('1')
}

/** Where the values of some fields of an object begin; none if it is no object. @param last as above */
function startsIn(
  json: Buffer,
  start: number,
  names: readonly string[],
  last?: string,
): Map<string, number> {
  const starts = new Map<string, number>()
  const reader = new JsonReader(json, start)
  if (!reader.isObject) return starts
  reader.enter()
  for (let name = reader.field(); name !== undefined; name = reader.field()) {
    if (last !== undefined && name > last) break
    if (names.includes(name)) starts.set(name, reader.position)
    if (starts.size === names.length) break
    reader.skip()
  }
  return starts
}

function readHistory(history: EventHistory, hub: unknown, index: number, prefix: string): void {
  let last = 0
  for (const saved of queuedEvents(hub)) {
    const at = `event after ${last}`
    const event = readEvent(asFields(saved, at), at, prefix)
    if (event.index <= last || event.index > index) {
      throw new SnapshotError(`${at}: its index is ${event.index}`)
    }
    if (last === 0) history.forgetUpTo(event.index - 1)
    last = event.index
    history.add(event.node.key === '' ? unseen(event) : event)
  }
  if (last !== 0 && last !== index) {
    // A watcher that resumes in between would miss events without being told.
    throw new SnapshotError(`the history ends at ${last}, but CurrentIndex is ${index}`)
  }
  if (last === 0) history.forgetUpTo(index)
}

/** An event outside the clients' namespace: keeps its index, and is shown to nobody. */
function unseen(event: Event): Event {
  return { ...event, node: { ...event.node, key: '/' }, prevNode: undefined, refresh: true }
}

/** etcd's queue is a ring: `Size` events from `Front` on. */
function queuedEvents(hub: unknown): unknown[] {
  if (hub === undefined || hub === null) return []
  const history = asFields(asFields(hub, 'WatcherHub').EventHistory, 'EventHistory')
  const queue = asFields(history.Queue, 'Queue')
  const events = queue.Events
  if (!Array.isArray(events)) throw new SnapshotError('Queue: Events is not an array')
  const size = asIndex(queue.Size, 'Queue: Size', events.length)
  const front = asIndex(queue.Front, 'Queue: Front', Math.max(0, events.length - 1))
  return Array.from({ length: size }, (_, i) => events[(front + i) % events.length])
}

function readEvent(saved: Fields, at: string, prefix: string): Event {
  const action = saved.action
  if (typeof action !== 'string' || !KNOWN_ACTIONS.has(action)) {
    throw new SnapshotError(`${at}: its action is ${show(action)}`)
  }
  const node = readExtern(asFields(saved.node, `${at}: node`), at, prefix)
  const prevNode =
    saved.prevNode === undefined || saved.prevNode === null
      ? undefined
      : readExtern(asFields(saved.prevNode, `${at}: prevNode`), at, prefix)
  const refresh = saved.refresh === true
  return { action: action as Action, node, prevNode, index: node.modifiedIndex, refresh }
}

/** A node of an event. The key of a node outside the clients' namespace is ''. */
function readExtern(saved: Fields, at: string, prefix: string): NodeExtern {
  if (typeof saved.key !== 'string') throw new SnapshotError(`${at}: its key is ${show(saved.key)}`)
  const key = saved.keyEncoding === 'base64' ? fromBase64(saved.key) : textToBytes(saved.key)
  const inside = prefix === '' || key.startsWith(`${prefix}/`)
  const expiration = expiry(saved.expiration, at)
  return {
    key: inside ? key.slice(prefix.length) : '',
    dir: saved.dir === true,
    value: saved.value === undefined ? undefined : valueField(saved.value, saved.encoding, at),
    expiration,
    ttl: expiration === undefined ? undefined : asIndex(ttlField(saved.ttl), `${at}: ttl`, MAX_TTL),
    nodes: undefined,
    modifiedIndex: asIndex(saved.modifiedIndex, `${at}: modifiedIndex`, MAX_SAVED_INDEX),
    createdIndex: asIndex(saved.createdIndex ?? 0, `${at}: createdIndex`, MAX_SAVED_INDEX),
  }
}

/**
 * etcd leaves out a TTL of 0. After a late expiry, or a replay of its log, it writes negative ones.
 */
function ttlField(ttl: unknown): unknown {
  return typeof ttl === 'number' && ttl < 0 ? 0 : (ttl ?? 0)
}

function readStats(saved: unknown): Stats {
  const stats = new Stats()
  if (saved === undefined || saved === null) return stats
  const fields = asFields(saved, 'Stats')
  for (const name of STAT_NAMES) {
    const count = asIndex(fields[name] ?? 0, `Stats: ${name}`, Number.MAX_SAFE_INTEGER)
    stats[name] = Math.min(count, MAX_SAVED_COUNT)
  }
  return stats
}
