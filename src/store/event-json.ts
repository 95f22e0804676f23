import type { Event, NodeExtern } from './event.ts'
import { isText, toBase64 } from './text.ts'

/**
 * An event as JSON, the fields in the same order as in replies. The result is a one-byte string of
 * its UTF-8, ready for the wire: JSON escapes nothing above 0x7f, so bytes that are valid UTF-8
 * pass through as they are. A value that is not is base64, with `"encoding":"base64"` beside it; a
 * key likewise, with `"keyEncoding"`.
 */
export function eventToJson(event: Event): string {
  const { action, node, prevNode, index } = event
  const before = prevNode === undefined ? '' : `,"prevNode":${nodeToJson(prevNode)}`
  return `{"action":"${action}","node":${nodeToJson(node)}${before},"index":${index}}`
}

/** A node as JSON; see {@link eventToJson}. */
export function nodeToJson(node: NodeExtern): string {
  let json = keyToJson(node.key)
  if (node.dir) json += ',"dir":true'
  if (node.value !== undefined) {
    json += isText(node.value)
      ? `,"value":${JSON.stringify(node.value)}`
      : `,"value":"${toBase64(node.value)}","encoding":"base64"`
  }
  if (node.expiration !== undefined) {
    json += `,"expiration":"${new Date(node.expiration).toISOString()}","ttl":${node.ttl}`
  }
  if (node.nodes !== undefined) json += `,"nodes":[${node.nodes.map(nodeToJson).join(',')}]`
  return `${json},"modifiedIndex":${node.modifiedIndex},"createdIndex":${node.createdIndex}}`
}

/** The beginning of a node as JSON: its key. */
export function keyToJson(key: string): string {
  return isText(key)
    ? `{"key":${JSON.stringify(key)}`
    : `{"key":"${toBase64(key)}","keyEncoding":"base64"`
}
