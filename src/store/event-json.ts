import type { Event, NodeExtern } from './event.ts'
import { JsonValue } from './json-value.ts'
import { PieceList } from './pieces.ts'
import { isText, toBase64 } from './text.ts'
import { textOfValue, type Value } from './value.ts'

/**
 * An event as JSON, with the fields in the same order as in replies. The result is a one-byte string
 * of the JSON's UTF-8. JSON escapes nothing above 0x7f, so valid UTF-8 passes through as it is. Any
 * other value becomes base64, with `"encoding":"base64"` beside it; any other key becomes base64,
 * with `"keyEncoding":"base64"`.
 *
 * @param more further fields, each after a comma
 */
export function encodeEvent(event: Event, more = ''): string | PieceList {
  const { action, node, prevNode, index } = event
  if (!isLarge(node.value) && !isLarge(prevNode?.value)) return smallEvent(event, more)
  const pieces = new PieceList()
  pieces.add(`{"action":"${action}","node":`)
  addNode(pieces, node)
  if (prevNode !== undefined) {
    pieces.add(',"prevNode":')
    addNode(pieces, prevNode)
  }
  pieces.add(`,"index":${index}${more}}`)
  return pieces
}

/** {@link encodeEvent} as one string. @throws RangeError if it is longer than a string can be */
export function eventToJson(event: Event): string {
  const json = encodeEvent(event)
  return typeof json === 'string' ? json : json.toText()
}

/** A node as JSON; see {@link eventToJson}. */
export function nodeToJson(node: NodeExtern): string {
  const { value } = node
  if (!isLarge(value)) return smallNode(node)
  const pieces = new PieceList()
  addNode(pieces, node)
  return pieces.toText()
}

function isLarge(value: Value | undefined): value is Buffer {
  return value !== undefined && typeof value !== 'string'
}

function smallEvent({ action, node, prevNode, index }: Event, more: string): string {
  const before = prevNode === undefined ? '' : `,"prevNode":${smallNode(prevNode)}`
  return `{"action":"${action}","node":${smallNode(node)}${before},"index":${index}${more}}`
}

function smallNode(node: NodeExtern): string {
  const json = headOf(node)
  if (node.value === undefined) return json + tailOf(node)
  const text = textOfValue(node.value)
  const value = isText(text)
    ? `,"value":${JSON.stringify(text)}`
    : `,"value":"${toBase64(text)}","encoding":"base64"`
  return json + value + tailOf(node)
}

function addNode(pieces: PieceList, node: NodeExtern): void {
  const { value } = node
  if (!isLarge(value)) {
    pieces.add(smallNode(node))
    return
  }
  const json = new JsonValue(value)
  pieces.add(`${headOf(node)},"value":`)
  pieces.add(json)
  pieces.add(json.isText ? tailOf(node) : `,"encoding":"base64"${tailOf(node)}`)
}

/** The fields before the value. */
function headOf(node: NodeExtern): string {
  const json = isText(node.key)
    ? `{"key":${JSON.stringify(node.key)}`
    : `{"key":"${toBase64(node.key)}","keyEncoding":"base64"`
  return node.dir ? `${json},"dir":true` : json
}

/** The fields behind the value. */
function tailOf(node: NodeExtern): string {
  let json = ''
  if (node.expiration !== undefined) {
    json = `,"expiration":"${new Date(node.expiration).toISOString()}","ttl":${node.ttl}`
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
