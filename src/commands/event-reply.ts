import {
  BULK_OVERHEAD,
  INTEGER_LENGTH,
  putBulk,
  putBytes,
  putCopy,
  putNumber,
} from '../resp/byte-encoding.ts'
import { encodeArrayHeader, encodeBulk, encodeHeader } from '../resp/reply-encoding.ts'
import type { ReplyWriter } from '../resp/reply-writer.ts'
import { ACTIONS, type Action, type Event, type NodeExtern } from '../store/event.ts'

/** Of both versions of RESP. */
type ByProtocol<T> = Readonly<Record<2 | 3, T>>

/** A map's header: in RESP2 an array of names and values. */
function mapHeader(size: number, protocol: 2 | 3): string {
  return protocol === 3 ? encodeHeader('%', size) : encodeArrayHeader(2 * size)
}

function byProtocol<T>(make: (protocol: 2 | 3) => T): ByProtocol<T> {
  return { 2: make(2), 3: make(3) }
}

// Field names, encoded once.
const KEY = encodeBulk('key')
const PREV_NODE = Buffer.from(encodeBulk('prevNode'))
const INDEX = Buffer.from(`${encodeBulk('index')}:`)
const DIR = encodeBulk('dir')
const VALUE = Buffer.from(encodeBulk('value'))
const EXPIRATION = encodeBulk('expiration')
const TTL = encodeBulk('ttl')
const NODES = encodeBulk('nodes')
const MODIFIED_INDEX = Buffer.from(`${encodeBulk('modifiedIndex')}:`)
const CREATED_INDEX = Buffer.from(`${encodeBulk('createdIndex')}:`)

/** What an event's reply begins with, up to its node, by action. */
const HEADS = headsOf(3)
/** The same where there was a node before. */
const HEADS_WITH_PREVIOUS = headsOf(4)

/** What a file without a TTL begins with, up to its key: most nodes are such. */
const FILE = byProtocol((protocol) => Buffer.from(mapHeader(4, protocol) + KEY))
/** What such a file takes beside its key and its value, at the most. */
const FILE_OVERHEAD =
  FILE[2].length +
  VALUE.length +
  MODIFIED_INDEX.length +
  CREATED_INDEX.length +
  2 * (BULK_OVERHEAD + INTEGER_LENGTH)

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

/** Replies with an event: `action`, `node`, `prevNode` if there was one, `index`. */
export function writeEvent(reply: ReplyWriter, event: Event): void {
  if (reply.muted) return
  const { action, node, prevNode, index } = event
  const { protocol } = reply
  if (prevNode === undefined) {
    reply.append(HEADS[protocol][action])
    writeNode(reply, node)
  } else if (isPlain(node) && isPlain(prevNode)) {
    writeChange(reply, HEADS_WITH_PREVIOUS[protocol][action], node, prevNode)
  } else {
    reply.append(HEADS_WITH_PREVIOUS[protocol][action])
    writeNode(reply, node)
    reply.append(PREV_NODE)
    writeNode(reply, prevNode)
  }
  writeInteger(reply, INDEX, index)
}

/** A file without a TTL, of which there is but one thing that may be missing. */
interface PlainFile extends NodeExtern {
  readonly value: string
}

function isPlain(node: NodeExtern): node is PlainFile {
  return node.value !== undefined && node.expiration === undefined
}

function writeNode(reply: ReplyWriter, node: NodeExtern): void {
  if (!isPlain(node)) {
    writeAnyNode(reply, node)
    return
  }
  const buffer = reply.room(FILE_OVERHEAD + node.key.length + node.value.length)
  const at = putBytes(buffer, reply.length, FILE[reply.protocol])
  reply.wrote(putRest(buffer, putBulk(buffer, at, node.key), node))
}

/**
 * By far the most frequent reply to a write: one look for room, and then nothing but bytes. Copying
 * those of the key costs a quarter of taking them from the string again.
 */
function writeChange(reply: ReplyWriter, head: Buffer, node: PlainFile, before: PlainFile): void {
  const { key } = node
  const texts = 2 * key.length + node.value.length + before.value.length
  const buffer = reply.room(head.length + PREV_NODE.length + 2 * FILE_OVERHEAD + texts)
  const file = FILE[reply.protocol]
  let at = putBytes(buffer, reply.length, head)
  const start = putBytes(buffer, at, file)
  const end = putBulk(buffer, start, key)
  at = putRest(buffer, end, node)
  at = putBytes(buffer, at, PREV_NODE)
  at = putBytes(buffer, at, file)
  at = putCopy(buffer, at, start, end)
  reply.wrote(putRest(buffer, at, before))
}

/** What comes after the key. */
function putRest(buffer: Buffer, start: number, node: PlainFile): number {
  let at = putBytes(buffer, start, VALUE)
  at = putBulk(buffer, at, node.value)
  at = putBytes(buffer, at, MODIFIED_INDEX)
  at = putNumber(buffer, at, node.modifiedIndex)
  at = putBytes(buffer, at, CREATED_INDEX)
  return putNumber(buffer, at, node.createdIndex)
}

function writeAnyNode(reply: ReplyWriter, node: NodeExtern): void {
  const { value, expiration, ttl, nodes } = node
  const expires = expiration !== undefined && ttl !== undefined
  reply.map(
    3 +
      (node.dir ? 1 : 0) +
      (value === undefined ? 0 : 1) +
      (expires ? 2 : 0) +
      (nodes === undefined ? 0 : 1),
  )
  reply.raw(KEY)
  reply.bulk(node.key)
  if (node.dir) {
    reply.raw(DIR)
    reply.boolean(true)
  }
  if (value !== undefined) {
    reply.append(VALUE)
    reply.bulk(value)
  }
  if (expires) {
    reply.raw(EXPIRATION)
    reply.bulk(new Date(expiration).toISOString())
    reply.raw(TTL)
    reply.integer(ttl)
  }
  if (nodes !== undefined) {
    reply.raw(NODES)
    reply.array(nodes.length)
    for (const child of nodes) writeNode(reply, child)
  }
  writeInteger(reply, MODIFIED_INDEX, node.modifiedIndex)
  writeInteger(reply, CREATED_INDEX, node.createdIndex)
}

/** @param name the field's name, encoded, up to the number's first digit */
function writeInteger(reply: ReplyWriter, name: Buffer, n: number): void {
  const buffer = reply.room(name.length + INTEGER_LENGTH)
  reply.wrote(putNumber(buffer, putBytes(buffer, reply.length, name), n))
}
