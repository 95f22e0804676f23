// APPEND · SETRANGE · GETRANGE · SUBSTR

import { valueAt } from '../../keyspace/keyspace.ts'
import { KEY, VALUE } from '../../request/arguments/argument.ts'
import { CommandError, notAnInteger } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { beginCopy } from '../../request/exec-limits.ts'
import { TIME_OF } from '../../request/long-work.ts'
import {
  appendToValue,
  copiedToAppend,
  copiedToSlice,
  LARGE_VALUE_BYTES,
  MAX_VALUE_BYTES,
  ownSlice,
  putIntoValue,
  textOfValue,
  type Value,
} from '../../store/value.ts'
import { READS } from './get.ts'
import type { KeyValue } from './set.ts'

/** Shared by APPEND and SETRANGE. */
const WRITES = {
  group: 'string',
  since: '0.1.0',
  flags: ['write', 'denyoom'],
  keys: [1, 1, 1],
} as const

/** @throws CommandError if a string of this length is longer than a client may send */
function checkLength({ server }: Client, length: number): void {
  if (length <= server.config.get('proto-max-bulk-len')) return
  throw new CommandError('ERR string exceeds maximum allowed size (proto-max-bulk-len)')
}

/** Whether a call that makes a value of this length may do so. Where a log puts writes in order, no node's own limit holds. */
function mayBeSoLong(length: number): boolean {
  return length <= MAX_VALUE_BYTES
}

/** @throws CommandError unless the text is an integer of 64 bits */
function parseOffset(text: string): bigint {
  const value = readInteger64(text)
  if (value === undefined) throw notAnInteger()
  return value
}

/**
 * GETRANGE: the bytes from `start` to `end`, both included. Negative offsets count from the end: -1 is the
 * last byte.
 */
function replyRange(client: Client, key: string, start: bigint, end: bigint): void {
  const { reply, server } = client
  const file = server.keyspace.find(key)
  const value = file?.value ?? ''
  // Redis compares negative offsets before it moves those that lie before the first byte to it.
  const isEmpty = start < 0n && end < 0n && start > end
  const first = positionOf(value, start)
  const behind = isEmpty ? first : positionOf(value, end) + 1
  const copied = reply.muted ? 0 : copiedToSlice(value, first, behind)
  if (copied > 0) {
    beginCopy(client, 'copiedForReplies', copied, TIME_OF.copiedByte)
  }
  server.keyspace.noteRead(key, file !== undefined)
  if (reply.muted) return
  const range = isEmpty ? '' : ownSlice(value, first, behind)
  if (copied > 0) reply.looseBulkOrNull(range)
  else reply.bulk(range)
}

/** The position that an offset means, counted from the start. */
function positionOf(value: Value, offset: bigint): number {
  // An offset that Number rounds lies far outside any string.
  const position = Number(offset)
  return position < 0 ? Math.max(0, value.length + position) : position
}

/** Shared by GETRANGE and SUBSTR, its former name. */
const RANGE = {
  summary: 'Returns the bytes of the value of a key from start to end.',
  ...READS,
  complexity: 'O(N) where N is the length of the part returned',
  arity: 4,
  flags: ['readonly'],
  broad: true,
  args: [KEY, { name: 'start', type: 'integer' }, { name: 'end', type: 'integer' }],
  run(client: Client, args: readonly string[]) {
    const start = parseOffset(args[2])
    const end = parseOffset(args[3])
    replyRange(client, args[1], start, end)
  },
} satisfies Omit<Command, 'name'>

/** Reading and changing part of a value. */
export const rangeCommands: readonly Command[] = [
  {
    name: 'append',
    summary: 'Appends to the value of a key; creates the key if it does not exist.',
    ...WRITES,
    complexity: 'O(1), amortized',
    flags: ['write', 'denyoom', 'fast'],
    arity: 3,
    keyFlags: [['RW', 'insert']],
    args: [KEY, VALUE],
    takesValues: true,
    growth: LARGE_VALUE_BYTES,
    adds([, key, part], store) {
      const value = valueAt(store, key)
      return mayBeSoLong(value.length + part.length) ? copiedToAppend(value, part.length) : 0
    },
    run(client, args: KeyValue) {
      const file = client.server.keyspace.find(args[1])
      let value = args[2]
      if (file === undefined) {
        client.server.keyspace.set(args[1], value)
      } else {
        checkLength(client, file.value.length + value.length)
        const copied = copiedToAppend(file.value, value.length)
        client.server.longWork.begin(copied * TIME_OF.copiedByte, client.executing)
        value = appendToValue(file.value, value)
        client.server.keyspace.update(args[1], value, file.lease?.expireTime)
      }
      client.server.keyspace.notify('append', args[1])
      client.reply.integer(value.length)
    },
  },
  {
    name: 'setrange',
    summary: 'Overwrites part of the value of a key; fills a gap before it with NUL bytes.',
    ...WRITES,
    complexity: 'O(N) where N is the length of the string; O(1), amortized, at its end',
    arity: 4,
    args: [KEY, { name: 'offset', type: 'integer' }, VALUE],
    takesValues: true,
    growth: LARGE_VALUE_BYTES,
    adds([, key, offset, part], store) {
      const start = readInteger64(textOfValue(offset))
      // It is refused when it runs, or changes nothing.
      if (start === undefined || start < 0n || part.length === 0) return 0
      if (!mayBeSoLong(Number(start) + part.length)) return 0
      return Math.max(valueAt(store, key).length, Number(start))
    },
    run(client, args: readonly [name: string, key: string, offset: string, part: Value]) {
      const offset = parseOffset(args[2])
      if (offset < 0n) throw new CommandError('ERR offset is out of range')
      const file = client.server.keyspace.find(args[1])
      let value: Value = file?.value ?? ''
      if (args[3].length > 0) {
        checkLength(client, Number(offset) + args[3].length)
        // Up to the offset there are zeros, if no value is.
        beginCopy(client, 'copiedBytes', Math.max(value.length, Number(offset)), TIME_OF.copiedByte)
        value = putIntoValue(value, Number(offset), args[3])
        if (file === undefined) client.server.keyspace.set(args[1], value)
        else client.server.keyspace.update(args[1], value, file.lease?.expireTime)
        client.server.keyspace.notify('setrange', args[1])
      }
      client.reply.integer(value.length)
    },
  },
  { name: 'getrange', ...RANGE },
  { name: 'substr', ...RANGE },
]
