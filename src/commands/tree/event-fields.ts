import { encodeArrayHeader, encodeBulk, encodeHeader } from '../../resp/reply-encoding.ts'
import { ACTIONS, type Action, type NodeExtern } from '../../store/event.ts'
import type { Value } from '../../store/value.ts'

/** One value for each version of RESP. */
type ByProtocol<T> = Readonly<Record<2 | 3, T>>

/** A file without a TTL, whose reply always has the same four fields. */
export interface PlainFile extends NodeExtern {
  readonly value: Value
}

/** Whether a node is a file without a TTL. */
export function isPlain(node: NodeExtern): node is PlainFile {
  return node.value !== undefined && node.expiration === undefined
}

/** A map's header, which in RESP2 is that of an array of names and values. */
function mapHeader(size: number, protocol: 2 | 3): string {
  return protocol === 3 ? encodeHeader('%', size) : encodeArrayHeader(2 * size)
}

function byProtocol<T>(make: (protocol: 2 | 3) => T): ByProtocol<T> {
  return { 2: make(2), 3: make(3) }
}

// The field names, encoded once. An index's name includes the `:` that begins its number.
export const KEY = encodeBulk('key')
export const PREV_NODE = Buffer.from(encodeBulk('prevNode'))
export const INDEX = Buffer.from(`${encodeBulk('index')}:`)
export const DIR = encodeBulk('dir')
export const VALUE = Buffer.from(encodeBulk('value'))
export const EXPIRATION = encodeBulk('expiration')
export const TTL = encodeBulk('ttl')
export const NODES = encodeBulk('nodes')
export const MODIFIED_INDEX = Buffer.from(`${encodeBulk('modifiedIndex')}:`)
export const CREATED_INDEX = Buffer.from(`${encodeBulk('createdIndex')}:`)

/** The start of an event's reply, up to its node, by action. */
export const HEADS = headsOf(3)
/** The same for an event with a `prevNode`. */
export const HEADS_WITH_PREVIOUS = headsOf(4)
/** The start of a plain file, up to its key. Most nodes are plain files. */
export const FILE = byProtocol((protocol) => Buffer.from(mapHeader(4, protocol) + KEY))

function headsOf(size: number): ByProtocol<Readonly<Record<Action, Buffer>>> {
  return byProtocol((protocol) => {
    const head = (action: Action): Buffer =>
      Buffer.from(
        mapHeader(size, protocol) + encodeBulk('action') + encodeBulk(action) + encodeBulk('node'),
      )
    const heads = ACTIONS.map((action) => [action, head(action)] as const)
    return Object.fromEntries(heads) as Record<Action, Buffer>
  })
}
