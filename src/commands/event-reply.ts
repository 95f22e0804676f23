import {
  BULK_OVERHEAD,
  INTEGER_LENGTH,
  putBulk,
  putBytes,
  putNumber,
} from '../resp/byte-encoding.ts'
import type { ReplyWriter } from '../resp/reply-writer.ts'
import type { Event, NodeExtern } from '../store/event.ts'
import {
  CREATED_INDEX,
  DIR,
  EXPIRATION,
  FILE,
  HEADS,
  HEADS_WITH_PREVIOUS,
  INDEX,
  isPlain,
  KEY,
  MODIFIED_INDEX,
  NODES,
  type PlainFile,
  PREV_NODE,
  TTL,
  VALUE,
} from './event-fields.ts'
import { EventTemplate } from './event-template.ts'

/** What such a file takes beside its key and its value, at the most. */
const FILE_OVERHEAD =
  FILE[2].length +
  VALUE.length +
  MODIFIED_INDEX.length +
  CREATED_INDEX.length +
  2 * (BULK_OVERHEAD + INTEGER_LENGTH)

/** Of replies with a node before, and of those without. */
const changes = new EventTemplate()
const files = new EventTemplate()

/** Replies with an event: `action`, `node`, `prevNode` if there was one, `index`. */
export function writeEvent(reply: ReplyWriter, { action, node, prevNode, index }: Event): void {
  if (reply.muted) return
  const heads = prevNode === undefined ? HEADS : HEADS_WITH_PREVIOUS
  const head = heads[reply.protocol][action]
  if (isPlain(node) && (prevNode === undefined || isPlain(prevNode))) {
    writePlain(reply, head, node, prevNode, index)
  } else {
    writeAny(reply, head, node, prevNode, index)
  }
}

/** By far the most frequent. */
function writePlain(
  reply: ReplyWriter,
  head: Buffer,
  node: PlainFile,
  before: PlainFile | undefined,
  index: number,
): void {
  const template = before === undefined ? files : changes
  const length = template.lengthFor(head, node, before, index)
  if (length > 0) {
    const buffer = reply.room(length)
    reply.wrote(template.put(buffer, reply.length, node, before, index))
    return
  }
  const start = reply.length
  writeAny(reply, head, node, before, index)
  template.learn(reply.bytes.subarray(start), reply.protocol, head, node, before, index)
}

function writeAny(
  reply: ReplyWriter,
  head: Buffer,
  node: NodeExtern,
  before: NodeExtern | undefined,
  index: number,
): void {
  reply.append(head)
  writeNode(reply, node)
  if (before !== undefined) {
    reply.append(PREV_NODE)
    writeNode(reply, before)
  }
  writeInteger(reply, INDEX, index)
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
