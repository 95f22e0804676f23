// APPEND · SETRANGE · GETRANGE · SUBSTR

import { KEY, VALUE } from '../../request/arguments/argument.ts'
import { CommandError, notAnInteger } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { ownCopy } from '../../store/path.ts'
import { READS } from './get.ts'

/** What both commands have in common. */
const WRITES = {
  group: 'string',
  since: '0.1.0',
  flags: ['write', 'denyoom'],
  keys: [1, 1, 1],
} as const

/** @throws CommandError if a string would be longer than any that a client could send */
function checkLength({ server }: Client, length: number): void {
  if (length <= server.config.get('proto-max-bulk-len')) return
  throw new CommandError('ERR string exceeds maximum allowed size (proto-max-bulk-len)')
}

/** A string up to this length is kept in one piece. */
const SMALL = 4096

/**
 * Puts two strings together. V8 keeps the sum as a tree of its pieces, which is what makes appending
 * cheap; but each piece takes some 60 bytes, however short it is. So the sum is copied into one
 * piece from time to time: while it is small, and whenever it has grown by a sixteenth.
 */
function concatenate(value: string, tail: string): string {
  const sum = value + tail
  const step = Math.max(12, 27 - Math.clz32(sum.length))
  return sum.length <= SMALL || value.length >> step !== sum.length >> step ? ownCopy(sum) : sum
}

/** The string with a part written over; what lies between its end and the part is NUL bytes. */
function overwrite(value: string, offset: number, part: string): string {
  const bytes = Buffer.alloc(Math.max(value.length, offset + part.length))
  bytes.write(value, 0, 'latin1')
  bytes.write(part, offset, 'latin1')
  return bytes.toString('latin1')
}

/** GETRANGE and SUBSTR, which is its old name. */
export const RANGE = {
  summary: 'Returns a part of the string of a key, by the places of its first and last byte.',
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

export function parseOffset(text: string): bigint {
  const value = readInteger64(text)
  if (value === undefined) throw notAnInteger()
  return value
}

/** @param start the first byte, @param end the last; negative ones count from the end, from -1 */
export function rangeOf(value: string, start: bigint, end: bigint): string {
  // Also where both lie before the first byte, and would be moved to it (Redis).
  if (start < 0n && end < 0n && start > end) return ''
  return value.slice(placeOf(value, start), placeOf(value, end) + 1)
}

export function placeOf(value: string, offset: bigint): number {
  // Rounding matters only where the string has long ended.
  const place = Number(offset)
  return place < 0 ? Math.max(0, value.length + place) : place
}

/** Changing a part of a string. */
export const rangeCommands: readonly Command[] = [
  {
    name: 'append',
    summary: 'Appends to the string of a key, which is made if there is none.',
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
    summary: 'Writes over a part of the string of a key; a gap before it is filled with NUL bytes.',
    ...WRITES,
    complexity: 'O(N) where N is the length of the string',
    arity: 4,
    args: [KEY, { name: 'offset', type: 'integer' }, VALUE],
    run(client, args) {
      const offset = readInteger64(args[2])
      if (offset === undefined) throw notAnInteger()
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
