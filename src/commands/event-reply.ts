import {
  encodeArrayHeader,
  encodeBulk,
  encodeHeader,
  encodeInteger,
} from '../resp/reply-encoding.ts'
import { ACTIONS, type Action, type Event, type NodeExtern } from '../store/event.ts'

/** A map's header: in RESP2 an array of names and values. */
function mapHeader(size: number, protocol: 2 | 3): string {
  return protocol === 3 ? encodeHeader('%', size) : encodeArrayHeader(2 * size)
}

// Field names, encoded once.
const ACTION = encodeBulk('action')
const NODE = encodeBulk('node')
const PREV_NODE = encodeBulk('prevNode')
const INDEX = encodeBulk('index')
const KEY = encodeBulk('key')
const DIR = encodeBulk('dir')
const VALUE = encodeBulk('value')
const EXPIRATION = encodeBulk('expiration')
const TTL = encodeBulk('ttl')
const NODES = encodeBulk('nodes')
const MODIFIED_INDEX = encodeBulk('modifiedIndex')
const CREATED_INDEX = encodeBulk('createdIndex')

/** What an event's reply begins with, up to its node, by action. */
const HEADS = headsOf(3)
/** The same where there was a node before. */
const HEADS_WITH_PREVIOUS = headsOf(4)

/** What a file without a TTL begins with, up to its key: most nodes are such. */
const FILE = { 2: `${mapHeader(4, 2)}${KEY}$`, 3: `${mapHeader(4, 3)}${KEY}$` }
/** What stands between its parts. */
const FILE_VALUE = `\r\n${VALUE}$`
const FILE_MODIFIED = `\r\n${MODIFIED_INDEX}:`
const FILE_CREATED = `\r\n${CREATED_INDEX}:`
const EVENT_INDEX = `\r\n${INDEX}:`
/** What stands between two such files. */
const FILE_BEFORE = { 2: `\r\n${PREV_NODE}${FILE[2]}`, 3: `\r\n${PREV_NODE}${FILE[3]}` }

function headsOf(size: number): Readonly<Record<2 | 3, Readonly<Record<Action, string>>>> {
  const byAction = (protocol: 2 | 3): Readonly<Record<Action, string>> => {
    const head = (action: Action): string =>
      mapHeader(size, protocol) + ACTION + encodeBulk(action) + NODE
    const heads = ACTIONS.map((action) => [action, head(action)] as const)
    return Object.fromEntries(heads) as Record<Action, string>
  }
  return { 2: byAction(2), 3: byAction(3) }
}

/** An event as a reply: `action`, `node`, `prevNode` if there was one, `index`. */
export function encodeEvent(event: Event, protocol: 2 | 3): string {
  const { node, prevNode } = event
  if (prevNode === undefined) {
    const head = HEADS[protocol][event.action]
    return head + encodeNode(node, protocol) + INDEX + encodeInteger(event.index)
  }
  const head = HEADS_WITH_PREVIOUS[protocol][event.action]
  const { key, value } = node
  const before = prevNode.value
  if (value === undefined || before === undefined || expires(node) || expires(prevNode)) {
    const nodes = encodeNode(node, protocol) + PREV_NODE + encodeNode(prevNode, protocol)
    return head + nodes + INDEX + encodeInteger(event.index)
  }
  // By far the most frequent reply to a write. Glued in one go: each string made on the way to the
  // whole costs time now, and again when the whole is written.
  return `${head}${FILE[protocol]}${key.length}\r\n${key}${FILE_VALUE}${value.length}\r\n${value}${FILE_MODIFIED}${node.modifiedIndex}${FILE_CREATED}${node.createdIndex}${FILE_BEFORE[protocol]}${key.length}\r\n${key}${FILE_VALUE}${before.length}\r\n${before}${FILE_MODIFIED}${prevNode.modifiedIndex}${FILE_CREATED}${prevNode.createdIndex}${EVENT_INDEX}${event.index}\r\n`
}

function expires(node: NodeExtern): boolean {
  return node.expiration !== undefined
}

function encodeNode(node: NodeExtern, protocol: 2 | 3): string {
  const { key, value } = node
  if (value !== undefined && !expires(node)) {
    return `${FILE[protocol]}${key.length}\r\n${key}${FILE_VALUE}${value.length}\r\n${value}${FILE_MODIFIED}${node.modifiedIndex}${FILE_CREATED}${node.createdIndex}\r\n`
  }
  let size = 3
  let body = KEY + encodeBulk(key)
  if (node.dir) {
    size++
    body += DIR + (protocol === 3 ? '#t\r\n' : ':1\r\n')
  }
  if (value !== undefined) {
    size++
    body += VALUE + encodeBulk(value)
  }
  if (node.expiration !== undefined && node.ttl !== undefined) {
    size += 2
    body += EXPIRATION + encodeBulk(new Date(node.expiration).toISOString())
    body += TTL + encodeInteger(node.ttl)
  }
  if (node.nodes !== undefined) {
    size++
    body += NODES + encodeArrayHeader(node.nodes.length)
    for (const child of node.nodes) body += encodeNode(child, protocol)
  }
  body += MODIFIED_INDEX + encodeInteger(node.modifiedIndex)
  body += CREATED_INDEX + encodeInteger(node.createdIndex)
  return mapHeader(size, protocol) + body
}
