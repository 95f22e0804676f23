import {
  encodeArrayHeader,
  encodeBulk,
  encodeHeader,
  encodeInteger,
} from '../resp/reply-encoding.ts'
import type { Event, NodeExtern } from '../store/event.ts'

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

/** An event as a reply: `action`, `node`, `prevNode` if there was one, `index`. */
export function encodeEvent(event: Event, protocol: 2 | 3): string {
  const { node, prevNode } = event
  const head =
    mapHeader(prevNode === undefined ? 3 : 4, protocol) + ACTION + encodeBulk(event.action)
  const body =
    prevNode === undefined
      ? NODE + encodeNode(node, protocol)
      : NODE + encodeNode(node, protocol) + PREV_NODE + encodeNode(prevNode, protocol)
  return head + body + INDEX + encodeInteger(event.index)
}

function encodeNode(node: NodeExtern, protocol: 2 | 3): string {
  let size = 3
  let body = KEY + encodeBulk(node.key)
  if (node.dir) {
    size++
    body += DIR + (protocol === 3 ? '#t\r\n' : ':1\r\n')
  }
  if (node.value !== undefined) {
    size++
    body += VALUE + encodeBulk(node.value)
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
