import { encodeArrayHeader, encodeBulk, encodeHeader } from '../../resp/reply-encoding.ts'
import { ACTIONS, type Action, type NodeExtern } from '../../store/event.ts'

/** Of both versions of RESP. */
type ByProtocol<T> = Readonly<Record<2 | 3, T>>

/** A file without a TTL, of which there is but one thing that may be missing. */
export interface PlainFile extends NodeExtern {
  readonly value: string
}

export function isPlain(node: NodeExtern): node is PlainFile {
  return node.value !== undefined && node.expiration === undefined
}

/** A map's header: in RESP2 an array of names and values. */
function mapHeader(size: number, protocol: 2 | 3): string {
  return protocol === 3 ? encodeHeader('%', size) : encodeArrayHeader(2 * size)
}

function byProtocol<T>(make: (protocol: 2 | 3) => T): ByProtocol<T> {
  return { 2: make(2), 3: make(3) }
}

// Field names, encoded once; those of indexes up to the number's first digit.
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

/** What an event's reply begins with, up to its node, by action. */
export const HEADS = headsOf(3)
/** The same where there was a node before. */
export const HEADS_WITH_PREVIOUS = headsOf(4)
/** What a plain file begins with, up to its key: most nodes are such. */
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
