import type { Event } from '../event.ts'
import { encodeEvent } from '../event-json.ts'
import type { EventHistory } from '../history/event-history.ts'
import { JsonValue } from '../json-value.ts'
import type { References } from '../loose-values.ts'
import { STAT_NAMES } from '../stats.ts'
import { isText, toBase64 } from '../text.ts'
import { type TreeCopy, TreeWalk } from '../tree/tree-copy.ts'
import { textOfValue, type Value } from '../value.ts'
import { WRITER } from './saved-fields.ts'

/** How Go writes the time that means "never". */
const ZERO_TIME = '0001-01-01T00:00:00Z'
/** The capacity of etcd's own event queue. */
const ETCD_CAPACITY = 1000
/** Pieces have about this many bytes. */
const PIECE_BYTES = 64 * 1024
/** An event in the history takes about this much memory, in bytes. */
const EVENT_BYTES = 8
/** What a copy, and what makes its pieces, take besides nodes and events, in bytes, about. */
const COPY_BYTES = 2048
/** Empty places of etcd's event queue. */
const NULLS = new Array<string>(ETCD_CAPACITY).fill('null').join(',')
const NULL_BYTES = 'null,'.length

/** A piece for the time that a step of sorting takes. */
const PAUSE = ''

/** What goes into a saved state. */
export interface SavedParts {
  nodes: TreeCopy
  history: EventHistory
  index: number
  stats: Readonly<Record<(typeof STAT_NAMES)[number], number>>
  watchers: number
  version: number
}

/** A store as it is at one moment, to be saved in pieces. */
export class SnapshotCopy {
  /** Copies of one moment share them. */
  readonly nodes: TreeCopy
  readonly #events: readonly Event[]
  /** The document after the queue of events. */
  readonly #end: string

  constructor(parts: SavedParts) {
    this.nodes = parts.nodes
    this.#events = parts.history.slice(0, parts.history.size)
    const size = this.#events.length
    const capacity = Math.max(size, ETCD_CAPACITY)
    const { startIndex, lastIndex } = parts.history
    const counters = STAT_NAMES.map((name) => `"${name}":${parts.stats[name]}`)
    counters.push(`"watchers":${parts.watchers}`)
    this.#end =
      `],"Size":${size},"Front":0,` +
      `"Back":${size % capacity},"Capacity":${capacity}},"StartIndex":${startIndex},"LastIndex":${lastIndex}}},` +
      `"CurrentIndex":${parts.index},"Stats":{${counters.join(',')}},` +
      // etcd's store passes over a field that it does not know.
      `"Writer":"${WRITER}","CurrentVersion":${parts.version}}`
  }

  /** Memory that it takes without the nodes, in bytes, about. */
  get weight(): number {
    return COPY_BYTES + EVENT_BYTES * this.#events.length
  }

  /** The names and values of the nodes. */
  get references(): References {
    return this.nodes.references
  }

  /** The {@link pieces}, made anew each time. */
  [Symbol.iterator](): Generator<Value, undefined> {
    return this.pieces()
  }

  /**
   * The store as etcd's own JSON document, so that what one has saved the other can load: its
   * UTF-8, the same each time. A piece may be empty, where work has been done that takes as long as another.
   */
  *pieces(): Generator<Value, undefined> {
    let text = '{"Root":'
    for (const part of this.#parts()) {
      if (part === PAUSE) {
        yield PAUSE
        continue
      }
      if (typeof part === 'string') {
        text += part
        if (text.length < PIECE_BYTES) continue
      }
      yield text
      text = ''
      if (typeof part !== 'string') yield part
    }
    yield text
  }

  /** All pieces in one binary string. @throws RangeError if it is longer than a string can be */
  toText(): string {
    let text = ''
    for (const piece of this.pieces()) text += textOfValue(piece)
    return text
  }

  *#parts(): Generator<Value> {
    yield* this.#nodeParts()
    yield ',"WatcherHub":{"EventHistory":{"Queue":{"Events":['
    for (const [i, event] of this.#events.entries()) {
      if (i > 0) yield ','
      // A refresh is marked as etcd marks it.
      const json = encodeEvent(event, event.refresh ? ',"refresh":true' : '')
      if (typeof json === 'string') yield json
      else yield* json
    }
    // etcd inserts at a position into this array, so it has to be as long as it says.
    const nulls = NULLS.slice(NULL_BYTES * this.#events.length)
    if (this.#events.length > 0 && nulls !== '') yield ','
    yield nulls
    yield this.#end
  }

  *#nodeParts(): Generator<Value> {
    const copy = this.nodes
    // By name, as in etcd: equal stores have equal documents, whatever happened on the way.
    const walk = new TreeWalk(copy, '/', true)
    let separator = ''
    for (let step = walk.next(); step !== 'done'; step = walk.next()) {
      if (step === 'sorting') {
        yield PAUSE
        continue
      }
      if (step === 'end') {
        yield '}}'
        separator = ','
        continue
      }
      const { position, prefix, name } = walk
      const start = position === 0 ? '' : `${separator}${childKey(name)}:`
      const value = copy.values[position]
      if (value === undefined) {
        yield `${start}${nodeStart(copy, position, prefix + name)}"","Children":{`
        separator = ''
        continue
      }
      yield start + nodeStart(copy, position, prefix + name)
      yield* valueParts(value, ',"encoding":"base64"')
      yield ',"Children":null}'
      separator = ','
    }
  }
}

/** The fields of a node up to its value. */
function nodeStart(copy: TreeCopy, position: number, path: string): string {
  const time = copy.expireTime(position)
  const expireTime = time === undefined ? ZERO_TIME : new Date(time).toISOString()
  const pathField = isText(path)
    ? `"Path":${JSON.stringify(path)}`
    : `"Path":"${toBase64(path)}","pathEncoding":"base64"`
  return (
    `{${pathField},"CreatedIndex":${copy.createdIndex(position)},` +
    `"ModifiedIndex":${copy.modifiedIndex(position)},"ExpireTime":"${expireTime}","Value":`
  )
}

/** No component holds a slash, so a name that is not text cannot be taken for another. */
function childKey(name: string): string {
  return isText(name) ? JSON.stringify(name) : `"base64/${toBase64(name)}"`
}

/** A value as a JSON string. @param base64 the field that follows if it is not text */
function* valueParts(value: Value, base64: string): Generator<Value> {
  if (typeof value === 'string') {
    yield isText(value) ? JSON.stringify(value) : `"${toBase64(value)}"${base64}`
    return
  }
  const json = new JsonValue(value)
  yield* json
  if (!json.isText) yield base64
}
