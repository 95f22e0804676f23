import type { Client } from '../../request/client.ts'
import {
  BULK_OVERHEAD,
  INTEGER_LENGTH,
  putBulk,
  putBytes,
  putNumber,
} from '../../resp/byte-encoding.ts'
import { MIN_REFERENCED_BYTES } from '../../resp/reply-parts.ts'
import { noteLoose, type ReplyWriter } from '../../resp/reply-writer.ts'
import { type Event, type NodeExtern, type Overwrite, represent } from '../../store/event.ts'
import { absolute } from '../../store/path.ts'
import type { FileNode } from '../../store/tree/node.ts'
import type { Value } from '../../store/value.ts'
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
import {
  allDigits,
  digitsIn,
  digitsWithBefore,
  type EventTemplate,
  newTemplates,
  templateFor,
} from './event-template.ts'

/** The most bytes that a plain file takes beside its key and its value. */
export const FILE_OVERHEAD =
  FILE[2].length +
  VALUE.length +
  MODIFIED_INDEX.length +
  CREATED_INDEX.length +
  2 * (BULK_OVERHEAD + INTEGER_LENGTH)

/** For replies that tell of a file before and after. */
const overwrites = newTemplates()
/** For replies that tell of one file. */
const files = newTemplates()

/** Replies with an event: `action`, `node`, `prevNode` if there was one, `index`. */
export function writeEvent(reply: ReplyWriter, event: Event): void {
  if (reply.muted) return
  if (event.overwrite !== undefined) {
    writeOverwrite(reply, event.overwrite, event)
    return
  }
  const { action, node, prevNode, index } = event
  const heads = prevNode === undefined ? HEADS : HEADS_WITH_PREVIOUS
  const head = heads[reply.protocol][action]
  const start = reply.length
  if (!isPlain(node)) {
    writeAny(reply, head, node, prevNode, index)
  } else if (prevNode === undefined) {
    const { key, value, modifiedIndex, createdIndex } = node
    if (putFile(reply, head, key, value, modifiedIndex, createdIndex, index)) return
    writeAny(reply, head, node, prevNode, index)
    learn(files, reply, start, head, node, undefined, index)
  } else if (isPlain(prevNode) && prevNode.key === node.key && node.modifiedIndex === index) {
    const overwrite: Overwrite = {
      action,
      key: node.key,
      value: node.value,
      index,
      createdIndex: node.createdIndex,
      prevValue: prevNode.value,
      prevModifiedIndex: prevNode.modifiedIndex,
      prevCreatedIndex: prevNode.createdIndex,
    }
    writeOverwrite(reply, overwrite, event)
  } else {
    writeAny(reply, head, node, prevNode, index)
  }
}

/** @param event the same event with its nodes, which are read only if its shape is new */
function writeOverwrite(reply: ReplyWriter, overwrite: Overwrite, event: Event): void {
  if (!putOverwrite(reply, overwrite)) learnOverwrite(reply, event)
}

/** {@link writeEvent} of a `get` of a file without a TTL. */
export function writeFile(reply: ReplyWriter, path: string, file: FileNode, index: number): void {
  if (reply.muted) return
  const { value, modifiedIndex, createdIndex } = file
  const head = HEADS[reply.protocol].get
  const key = absolute(path)
  if (putFile(reply, head, key, value, modifiedIndex, createdIndex, index)) return
  writeEvent(reply, {
    action: 'get',
    node: represent(file, key, 0),
    prevNode: undefined,
    index,
    refresh: false,
  })
}

/** @returns false if the reply is of another shape than the last one */
function putFile(
  reply: ReplyWriter,
  head: Buffer,
  key: string,
  value: Value,
  modifiedIndex: number,
  createdIndex: number,
  index: number,
): boolean {
  // A reply with a large value is no template.
  if (typeof value !== 'string') return false
  const digits = digitsIn(index, modifiedIndex, createdIndex)
  const template = files[templateFor(digits, value.length)]
  const length = template.lengthFor(head, key.length, value.length, -1, digits)
  if (length === 0) return false
  const buffer = reply.room(length)
  reply.wrote(template.put(buffer, reply.position, key, value, modifiedIndex, createdIndex, index))
  return true
}

/** @returns false if the reply is of another shape than the last one */
function putOverwrite(reply: ReplyWriter, overwrite: Overwrite): boolean {
  const { action, key, value, index, createdIndex } = overwrite
  const { prevValue, prevModifiedIndex, prevCreatedIndex } = overwrite
  if (typeof value !== 'string' || typeof prevValue !== 'string') return false
  const head = HEADS_WITH_PREVIOUS[reply.protocol][action]
  const digits = digitsWithBefore(
    digitsIn(index, index, createdIndex),
    prevModifiedIndex,
    prevCreatedIndex,
  )
  const template = overwrites[templateFor(digits, value.length)]
  const length = template.lengthFor(head, key.length, value.length, prevValue.length, digits)
  if (length === 0) return false
  const buffer = reply.room(length)
  const at = reply.position
  reply.wrote(template.put(buffer, at, key, value, index, createdIndex, index))
  template.putBefore(buffer, at, prevValue, prevModifiedIndex, prevCreatedIndex)
  return true
}

function learnOverwrite(reply: ReplyWriter, { action, node, prevNode, index }: Event): void {
  const head = HEADS_WITH_PREVIOUS[reply.protocol][action]
  const start = reply.length
  writeAny(reply, head, node, prevNode, index)
  if (!isPlain(node) || prevNode === undefined || !isPlain(prevNode)) return
  learn(overwrites, reply, start, head, node, prevNode, index)
}

/** @param start the length of `reply` before the reply */
function learn(
  templates: readonly EventTemplate[],
  reply: ReplyWriter,
  start: number,
  head: Buffer,
  node: PlainFile,
  before: PlainFile | undefined,
  index: number,
): void {
  const { bytes } = reply
  const length = reply.length - start
  // A long value is not in the bytes, and its reply would not be remembered.
  if (length > bytes.length) return
  const digits = allDigits(node, before, index)
  const template = templates[templateFor(digits, node.value.length)]
  const last = bytes.subarray(bytes.length - length)
  template.learn(last, reply.protocol, head, node, before, index)
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
  // The tree has no more what was there before, and of the events of the past perhaps nothing.
  if (head === HEADS[reply.protocol].get) return
  if (node.value !== undefined) noteLoose(node.value)
  if (before?.value !== undefined) noteLoose(before.value)
}

function writeNode(reply: ReplyWriter, node: NodeExtern): void {
  if (!isPlain(node) || node.value.length >= MIN_REFERENCED_BYTES) {
    writeAnyNode(reply, node)
    return
  }
  const buffer = reply.room(FILE_OVERHEAD + node.key.length + node.value.length)
  const at = putBytes(buffer, reply.position, FILE[reply.protocol])
  const keyEnd = putBulk(buffer, at, node.key)
  reply.wrote(putPlainFields(buffer, keyEnd, node.value, node.modifiedIndex, node.createdIndex))
}

/** Puts the fields of a plain file that follow the key. @returns where they end */
export function putPlainFields(
  buffer: Buffer,
  start: number,
  value: Value,
  modifiedIndex: number,
  createdIndex: number,
): number {
  let at = putBytes(buffer, start, VALUE)
  at = putBulk(buffer, at, value)
  at = putBytes(buffer, at, MODIFIED_INDEX)
  at = putNumber(buffer, at, modifiedIndex)
  at = putBytes(buffer, at, CREATED_INDEX)
  return putNumber(buffer, at, createdIndex)
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
export function writeInteger(reply: ReplyWriter, name: Buffer, n: number): void {
  const buffer = reply.room(name.length + INTEGER_LENGTH)
  reply.wrote(putNumber(buffer, putBytes(buffer, reply.position, name), n))
}

/** Publishes an event's keyspace notification, and replies with the event. */
export function replyEvent(client: Client, event: Event): void {
  notifyKeyspace(client, event)
  writeEvent(client.reply, event)
}

/** Notifies of an event under the names that Redis has for its own operations on strings. */
function notifyKeyspace({ server }: Client, event: Event): void {
  if (event.overwrite !== undefined) {
    server.keyspace.notify('set', event.overwrite.key)
    return
  }
  const { action, node, refresh } = event
  const { key } = node
  const expires = node.expiration !== undefined
  if (action === 'delete' || action === 'compareAndDelete') server.keyspace.notify('del', key)
  else if (refresh) server.keyspace.notify('expire', key)
  else if (action === 'update' && node.dir) {
    server.keyspace.notify(expires ? 'expire' : 'persist', key)
  } else {
    server.keyspace.notify(node.dir ? 'mkdir' : 'set', key)
    if (expires) server.keyspace.notify('expire', key)
  }
}
