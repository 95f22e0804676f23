import type { Event, NodeExtern } from './event.ts'
import { isText, toBase64 } from './text.ts'

/**
 * An event as JSON, with the fields in the same order as in replies. The result is a one-byte string
 * of the JSON's UTF-8. JSON escapes nothing above 0x7f, so valid UTF-8 passes through as it is. Any
 * other value becomes base64, with `"encoding":"base64"` beside it; any other key becomes base64,
 * with `"keyEncoding":"base64"`.
 */
export function eventToJson(event: Event): string {
  const { action, node, prevNode, index } = event
  const before = prevNode === undefined ? '' : `,"prevNode":${nodeToJson(prevNode)}`
  return `{"action":"${action}","node":${nodeToJson(node)}${before},"index":${index}}`
}

/** A node as JSON; see {@link eventToJson}. */
export function nodeToJson(node: NodeExtern): string {
  let json = isText(node.key)
    ? `{"key":${JSON.stringify(node.key)}`
    : `{"key":"${toBase64(node.key)}","keyEncoding":"base64"`
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
