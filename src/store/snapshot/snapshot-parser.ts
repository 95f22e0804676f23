import { SnapshotError } from '../errors.ts'
import { ACTIONS, type Action, type Event, type NodeExtern } from '../event.ts'
import { EventHistory, type HistoryLimits } from '../history/event-history.ts'
import { MAX_SAVED_COUNT, MAX_SAVED_INDEX } from '../index-ceiling.ts'
import { joinPath, MAX_PATH_DEPTH, MAX_PATH_LENGTH } from '../path.ts'
import { STAT_NAMES, Stats } from '../stats.ts'
import { fromBase64, textToBytes } from '../text.ts'
import { keptName } from '../tree/kept-name.ts'
import { LeaseList } from '../tree/lease-list.ts'
import { attach, DirectoryNode, FileNode } from '../tree/node.ts'
import { MAX_EXPIRE_TIME } from '../tree/ttl-heap.ts'
import { toValue, type Value } from '../value.ts'

/** A saved state that has been read and checked. */
export interface Snapshot {
  root: DirectoryNode
  leases: LeaseList
  history: EventHistory
  index: number
  stats: Stats
}

type Fields = Record<string, unknown>

const KNOWN_ACTIONS: ReadonlySet<string> = new Set(ACTIONS)
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/
/** Go's zero time, which means that there is no expiry. */
const ZERO_TIME = Date.parse('0001-01-01T00:00:00Z')
/** Seconds from Go's zero time to the last time whose year has four digits. */
const MAX_TTL = Math.ceil((MAX_EXPIRE_TIME - ZERO_TIME) / 1000)

/** etcd's server keeps the clients' keys below this directory, and its own keys below `/0`. */
const KEYS_NAMESPACE = '/1'

/**
 * Checks a parsed document from top to bottom and makes a state of it.
 *
 * @throws SnapshotError
 */
export function parseSnapshot(document: unknown, limits: HistoryLimits): Snapshot {
  const fields = asFields(document, 'the state')
  const version = fields.CurrentVersion
  if (version !== 2) throw new SnapshotError(`CurrentVersion is ${show(version)}, expected 2`)
  const index = asIndex(fields.CurrentIndex, 'CurrentIndex', MAX_SAVED_INDEX)
  const leases = new LeaseList()
  const saved = asFields(fields.Root, 'Root')
  const namespace = keysNamespace(saved)
  const root = new DirectoryNode('', null, 0)
  const top = namespace === undefined ? saved : namespace.node
  const prefix = namespace === undefined ? '' : KEYS_NAMESPACE
  root.createdIndex = asIndex(top.CreatedIndex, 'Root: CreatedIndex', index)
  root.modifiedIndex = asIndex(top.ModifiedIndex, 'Root: ModifiedIndex', index)
  if (pathField(top) !== (prefix || '/')) throw new SnapshotError(`Root: Path is ${show(top.Path)}`)
  if (expiry(top.ExpireTime, '/') !== undefined) throw new SnapshotError('Root: has an ExpireTime')
  addChildren(root, asFields(top.Children, 'Root: Children'), '/', 1, { index, prefix, leases })
  const history = new EventHistory(limits)
  readHistory(history, fields.WatcherHub, index, prefix)
  return { root, leases, history, index, stats: readStats(fields.Stats) }
}

/**
 * The clients' keys in the state of a whole etcd server, or undefined in any other state. A server
 * makes two directories at index 0, before any write, and a third one if it has users. In other
 * states only the root can have that index.
 */
function keysNamespace(root: Fields): { node: Fields } | undefined {
  const children = root.Children
  if (typeof children !== 'object' || children === null) return undefined
  const { '0': cluster, '1': keys } = children as Fields
  if (cluster === undefined || keys === undefined) return undefined
  const node = asFields(keys, '/1')
  if (asFields(cluster, '/0').CreatedIndex !== 0 || node.CreatedIndex !== 0) return undefined
  return { node }
}

interface Context {
  index: number
  prefix: string
  leases: LeaseList
}

function addChildren(
  parent: DirectoryNode,
  children: Fields,
  parentPath: string,
  depth: number,
  context: Context,
): void {
  for (const [key, value] of Object.entries(children)) {
    if (depth > MAX_PATH_DEPTH) throw new SnapshotError(`${parentPath}: too deep`)
    const name = keptName(key.startsWith('base64/') ? fromBase64(key.slice(7)) : textToBytes(key))
    const path = joinPath(parentPath, name)
    const saved = asFields(value, path)
    if (name === '' || name === '.' || name === '..' || name.includes('/')) {
      throw new SnapshotError(`${parentPath}: ${show(key)} cannot be a name`)
    }
    if (path.length > MAX_PATH_LENGTH) throw new SnapshotError(`${parentPath}: path too long`)
    if (pathField(saved) !== context.prefix + path) {
      throw new SnapshotError(`${path}: Path is ${show(saved.Path)}`)
    }
    const isFile = saved.Children === null || saved.Children === undefined
    const node = isFile
      ? new FileNode(name, parent, valueField(saved.Value, saved.encoding, path), 0)
      : new DirectoryNode(name, parent, 0)
    node.createdIndex = asIndex(saved.CreatedIndex, `${path}: CreatedIndex`, context.index)
    node.modifiedIndex = asIndex(saved.ModifiedIndex, `${path}: ModifiedIndex`, context.index)
    const expireTime = expiry(saved.ExpireTime, path)
    if (expireTime !== undefined) context.leases.add(node, expireTime)
    if (parent.children.has(name)) throw new SnapshotError(`${path}: stands there twice`)
    attach(parent, node)
    if (node.dir) {
      addChildren(node, asFields(saved.Children, `${path}: Children`), path, depth + 1, context)
    }
  }
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

function pathField(saved: Fields): string | undefined {
  if (typeof saved.Path !== 'string') return undefined
  return saved.pathEncoding === 'base64' ? fromBase64(saved.Path) : textToBytes(saved.Path)
}

function valueField(value: unknown, encoding: unknown, at: string): Value {
  if (typeof value !== 'string') throw new SnapshotError(`${at}: its value is ${show(value)}`)
  return toValue(encoding === 'base64' ? fromBase64(value) : textToBytes(value))
}

/** Unix milliseconds, or undefined for a permanent node. Go writes up to nine decimals. */
function expiry(time: unknown, at: string): number | undefined {
  if (time === undefined || time === null) return undefined
  const ms = typeof time === 'string' && TIME.test(time) ? Date.parse(time) : Number.NaN
  if (!(ms >= ZERO_TIME && ms <= MAX_EXPIRE_TIME)) {
    throw new SnapshotError(`${at}: its expiry is ${show(time)}`)
  }
  return ms === ZERO_TIME ? undefined : ms
}

function asFields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SnapshotError(`${what} is ${show(value)}, expected an object`)
  }
  return value as Fields
}

function asIndex(value: unknown, what: string, max: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max) {
    return value
  }
  throw new SnapshotError(`${what} is ${show(value)}, expected a whole number up to ${max}`)
}

/** A value for an error message: always short, even if the value is long or deep. */
function show(value: unknown): string {
  if (value === undefined) return 'missing'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value === 'string' && value.length > 60)
    return `${JSON.stringify(value.slice(0, 60))}...`
  return JSON.stringify(value)
}
