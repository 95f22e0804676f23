import { ACTIONS, type Event, type NodeExtern } from '../store/event.ts'
import { shortened } from '../store/history/short-event.ts'
import { copyValue, textIn, type Value, writeValue } from '../store/value.ts'
import { CHECKSUM_LENGTH, seal } from './checksum.ts'
import { DamagedDataError } from './errors.ts'

/** Flags of an event. */
const REFRESH = 1
const PREVIOUS = 2
/** Flags of a node. */
const DIR = 1
const VALUE = 2
const EXPIRES = 4

/** The most bytes that an event takes without its strings. */
const EVENT_LENGTH = 10 + 2 * (1 + 4 + 4 + 4 * 8)

function lengthOf(node: NodeExtern | undefined): number {
  return node === undefined ? 0 : node.key.length + (node.value?.length ?? 0)
}

/** The most bytes that an event takes in a record. */
export function eventLength(event: Event): number {
  return EVENT_LENGTH + lengthOf(event.node) + lengthOf(event.prevNode)
}

/** Encodes consecutive events as one record. */
export function encodeEvents(events: readonly Event[], key: Buffer): Buffer {
  let length = CHECKSUM_LENGTH
  for (const event of events) length += eventLength(event)
  const buffer = Buffer.allocUnsafe(length)
  let at = CHECKSUM_LENGTH
  for (const event of events) at = writeEvent(buffer, at, event)
  const value = buffer.subarray(0, at)
  seal(key, value)
  return value
}

function writeEvent(buffer: Buffer, start: number, event: Event): number {
  const { action, node, prevNode, index, refresh } = event
  let at = start
  buffer[at++] = ACTIONS.indexOf(action)
  buffer[at++] = (refresh ? REFRESH : 0) | (prevNode === undefined ? 0 : PREVIOUS)
  at = buffer.writeDoubleLE(index, at)
  at = writeNode(buffer, at, node)
  return prevNode === undefined ? at : writeNode(buffer, at, prevNode)
}

function writeNode(buffer: Buffer, start: number, node: NodeExtern): number {
  let at = start
  const { value, expiration } = node
  buffer[at++] =
    (node.dir ? DIR : 0) |
    (value === undefined ? 0 : VALUE) |
    (expiration === undefined ? 0 : EXPIRES)
  at = writeString(buffer, at, node.key)
  at = buffer.writeDoubleLE(node.modifiedIndex, at)
  at = buffer.writeDoubleLE(node.createdIndex, at)
  if (value !== undefined) at = writeString(buffer, at, value)
  if (expiration === undefined) return at
  at = buffer.writeDoubleLE(expiration, at)
  return buffer.writeDoubleLE(node.ttl ?? 0, at)
}

function writeString(buffer: Buffer, at: number, text: Value): number {
  buffer.writeUInt32LE(text.length, at)
  return writeValue(buffer, at + 4, text)
}

/**
 * Decodes the events of a record.
 *
 * @throws DamagedDataError if it is not readable
 */
export function decodeEvents(value: Buffer): Event[] {
  const reader = new EventReader(value)
  const events: Event[] = []
  try {
    while (!reader.atEnd) events.push(reader.event())
  } catch (error) {
    if (error instanceof RangeError) throw new DamagedDataError('an event is not readable')
    throw error
  }
  return events
}

/** Reads a record from its beginning. Throws a RangeError beyond the record's end. */
class EventReader {
  readonly #buffer: Buffer
  #at = CHECKSUM_LENGTH

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  get atEnd(): boolean {
    return this.#at >= this.#buffer.length
  }

  event(): Event {
    const action = ACTIONS[this.#byte()]
    if (action === undefined) throw new RangeError('unknown action')
    const flags = this.#byte()
    const index = this.#number()
    const node = this.#node()
    const prevNode = (flags & PREVIOUS) === 0 ? undefined : this.#node()
    return shortened({ action, node, prevNode, index, refresh: (flags & REFRESH) !== 0 })
  }

  #node(): NodeExtern {
    const flags = this.#byte()
    const key = textIn(this.#buffer, ...this.#string())
    const modifiedIndex = this.#number()
    const createdIndex = this.#number()
    const value = (flags & VALUE) === 0 ? undefined : copyValue(this.#buffer, ...this.#string())
    const expiration = (flags & EXPIRES) === 0 ? undefined : this.#number()
    const ttl = (flags & EXPIRES) === 0 ? undefined : this.#number()
    const dir = (flags & DIR) !== 0
    return { key, dir, value, expiration, ttl, nodes: undefined, modifiedIndex, createdIndex }
  }

  #byte(): number {
    return this.#buffer.readUInt8(this.#at++)
  }

  #number(): number {
    this.#at += 8
    return this.#buffer.readDoubleLE(this.#at - 8)
  }

  /** Where a string begins and ends. */
  #string(): [start: number, end: number] {
    const start = this.#at + 4
    const end = start + this.#buffer.readUInt32LE(this.#at)
    if (end > this.#buffer.length) throw new RangeError('a string is longer than its record')
    this.#at = end
    return [start, end]
  }
}
