import { SnapshotError } from '../errors.ts'
import { ACTIONS, type Action, type Event, type NodeExtern } from '../event.ts'
import { MAX_PATHS } from '../history/dropped-events.ts'
import type { EventHistory } from '../history/event-history.ts'
import { shortened } from '../history/short-event.ts'
import { MAX_SAVED_INDEX } from '../index-ceiling.ts'
import { MAX_PATH_LENGTH } from '../path.ts'
import { fromBase64, textToBytes } from '../text.ts'
import { MAX_EXPIRE_TIME } from '../tree/ttl-heap.ts'
import { FieldNames, JsonReader, startsIn, valueAt } from './json-reader.ts'
import { asFields, asIndex, expiry, show, valueField, ZERO_TIME } from './saved-fields.ts'

const KNOWN_ACTIONS: ReadonlySet<string> = new Set(ACTIONS)
/** Seconds from Go's zero time to the last time whose year has four digits. */
const MAX_TTL = Math.ceil((MAX_EXPIRE_TIME - ZERO_TIME) / 1000)

const EVENT_FIELDS = new FieldNames(['action', 'node', 'prevNode', 'refresh'])
const EXTERN_FIELDS = new FieldNames([
  ...['key', 'keyEncoding', 'dir', 'value', 'encoding', 'expiration', 'ttl'],
  ...['modifiedIndex', 'createdIndex'],
])

/**
 * Adds the events of a saved state to a history: the last ones, as many as it may have, or remember the paths of.
 *
 * @param hub where the state's `WatcherHub` begins; undefined if it has none
 * @param index of the state
 * @param prefix of all paths in the document that clients see
 * @throws SnapshotError, SyntaxError
 */
export function readHistory(
  history: EventHistory,
  json: Buffer,
  hub: number | undefined,
  index: number,
  prefix: string,
): void {
  let last = 0
  for (const reader of queuedEvents(json, hub, history.limits.events + MAX_PATHS)) {
    const at = `event after ${last}`
    const event = readEvent(reader, at, prefix)
    if (event.index <= last || event.index > index) {
      throw new SnapshotError(`${at}: its index is ${event.index}`)
    }
    if (last === 0) history.forgetUpTo(event.index - 1)
    last = event.index
    history.add(event.node.key === '' ? unseen(event) : shortened(event))
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

/**
 * A reader that stands at each event in turn. etcd's queue is a ring: `Size` events from `Front` on.
 *
 * @param most only so many, the last ones: each of a million that are dropped again would take its time
 */
function* queuedEvents(json: Buffer, hub: number | undefined, most: number): Generator<JsonReader> {
  if (hub === undefined || valueAt(json, hub) === null) return
  const history = fieldAt(json, objectAt(json, hub, 'WatcherHub'), 'EventHistory')
  const queue = fieldAt(json, objectAt(json, history, 'EventHistory'), 'Queue')
  const starts = startsIn(json, objectAt(json, queue, 'Queue'), ['Events', 'Size', 'Front'])
  const events = starts.get('Events')
  if (events === undefined || !new JsonReader(json, events).isArray) {
    throw new SnapshotError('Queue: Events is not an array')
  }
  const saved = valueAt(json, starts.get('Front'))
  let reader = new JsonReader(json, events)
  let count = 0
  let first = events
  reader.enterArray()
  for (; reader.element(); count++) {
    if (count === saved) first = reader.position
    reader.skip()
  }
  const size = asIndex(valueAt(json, starts.get('Size')), 'Queue: Size', count)
  const front = asIndex(saved, 'Queue: Front', Math.max(0, count - 1))
  reader = new JsonReader(json, first)
  for (let i = 0; i < size; i++) {
    if (i === count - front) {
      reader = new JsonReader(json, events)
      reader.enterArray()
    }
    if (i !== 0) reader.element()
    if (i < size - most) reader.skip()
    else yield reader
  }
}

function fieldAt(json: Buffer, start: number, name: string): number | undefined {
  return startsIn(json, start, [name]).get(name)
}

/** Where an object begins. @throws SnapshotError if none does */
function objectAt(json: Buffer, start: number | undefined, what: string): number {
  if (start === undefined || !new JsonReader(json, start).isObject) {
    asFields(valueAt(json, start), what)
  }
  return start as number
}

function readEvent(reader: JsonReader, at: string, prefix: string): Event {
  if (!reader.isObject) asFields(reader.value(), at)
  const saved = reader.object(EVENT_FIELDS, (name) =>
    name === 'node' || name === 'prevNode' ? readExtern(reader, at, prefix) : reader.value(),
  )
  const { action } = saved
  if (typeof action !== 'string' || !KNOWN_ACTIONS.has(action)) {
    throw new SnapshotError(`${at}: its action is ${show(action)}`)
  }
  asFields(saved.node, `${at}: node`)
  const node = saved.node as NodeExtern
  let prevNode: NodeExtern | undefined
  if (saved.prevNode !== undefined && saved.prevNode !== null) {
    asFields(saved.prevNode, `${at}: prevNode`)
    prevNode = saved.prevNode as NodeExtern
  }
  const refresh = saved.refresh === true
  return { action: action as Action, node, prevNode, index: node.modifiedIndex, refresh }
}

/** A node of an event. The key of a node outside the clients' namespace is ''. */
function readExtern(reader: JsonReader, at: string, prefix: string): NodeExtern {
  const saved = reader.object(EXTERN_FIELDS)
  if (typeof saved.key !== 'string') throw new SnapshotError(`${at}: its key is ${show(saved.key)}`)
  const key = saved.keyEncoding === 'base64' ? fromBase64(saved.key) : textToBytes(saved.key)
  const inside = prefix === '' || key.startsWith(`${prefix}/`)
  const expiration = expiry(saved.expiration, at)
  const dir = saved.dir === true
  const path = inside ? key.slice(prefix.length) : ''
  if (path.length > MAX_PATH_LENGTH) throw new SnapshotError(`${at}: its key is too long`)
  return {
    key: path,
    dir,
    value:
      dir || saved.value === undefined ? undefined : valueField(saved.value, saved.encoding, at),
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
