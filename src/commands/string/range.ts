// APPEND · SETRANGE · GETRANGE · SUBSTR

import { KEY, VALUE } from '../../request/arguments/argument.ts'
import { CommandError, notAnInteger } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { ownCopy } from '../../store/path.ts'
import { READS } from './get.ts'

/** A string up to this length is kept in one piece, see {@link concatenate}. */
const MAX_FLAT_BYTES = 4096

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

/**
 * Joins two strings. V8 keeps the result as a tree of its pieces, which makes appending cheap, but
 * each piece takes about 60 bytes, however short it is. The result is therefore copied into one piece
 * while it is short, and after that each time it has grown by a sixteenth.
 */
function concatenate(value: string, tail: string): string {
  const sum = value + tail
  const step = Math.max(12, 27 - Math.clz32(sum.length))
  return sum.length <= MAX_FLAT_BYTES || value.length >> step !== sum.length >> step
    ? ownCopy(sum)
    : sum
}

/** Writes a part over a string; fills a gap between the string's end and the part with NUL bytes. */
function overwrite(value: string, offset: number, part: string): string {
  const bytes = Buffer.alloc(Math.max(value.length, offset + part.length))
  bytes.write(value, 0, 'latin1')
  bytes.write(part, offset, 'latin1')
  return bytes.toString('latin1')
}

/** @throws CommandError unless the text is an integer of 64 bits */
function parseOffset(text: string): bigint {
  const value = readInteger64(text)
  if (value === undefined) throw notAnInteger()
  return value
}

/**
 * The bytes from `start` to `end`, both included. Negative offsets count from the end: -1 is the last
 * byte.
 */
function rangeOf(value: string, start: bigint, end: bigint): string {
  // Redis compares two negative offsets as given, before it clamps them to 0.
  if (start < 0n && end < 0n && start > end) return ''
  return value.slice(positionOf(value, start), positionOf(value, end) + 1)
}

/** The position that an offset means, counted from the start. */
function positionOf(value: string, offset: bigint): number {
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
  args: [KEY, { name: 'start', type: 'integer' }, { name: 'end', type: 'integer' }],
  run(client: Client, args: readonly string[]) {
    const start = parseOffset(args[2])
    const end = parseOffset(args[3])
    client.reply.bulk(rangeOf(client.server.keyspace.read(args[1]) ?? '', start, end))
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
    run(client, args) {
      const file = client.server.keyspace.find(args[1])
      let value = args[2]
      if (file === undefined) {
        client.server.keyspace.set(args[1], value)
      } else {
        checkLength(client, file.value.length + value.length)
        value = concatenate(file.value, value)
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
    complexity: 'O(N) where N is the length of the string',
    arity: 4,
    args: [KEY, { name: 'offset', type: 'integer' }, VALUE],
    run(client, args) {
      const offset = parseOffset(args[2])
      if (offset < 0n) throw new CommandError('ERR offset is out of range')
      const file = client.server.keyspace.find(args[1])
      let value = file?.value ?? ''
      if (args[3] !== '') {
        checkLength(client, Number(offset) + args[3].length)
        value = overwrite(value, Number(offset), args[3])
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
