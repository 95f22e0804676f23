import { findKey, setKey, updateKey } from '../../keyspace/keyspace.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import type { Client } from '../../request/client.ts'
import { type Argument, type Command, CommandError, notAnInteger } from '../../request/command.ts'
import { ownCopy } from '../../store/path.ts'

const KEY: Argument = { name: 'key', type: 'key' }
const VALUE: Argument = { name: 'value', type: 'string' }

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

/** Changing a part of a string. */
export const stringEditCommands: readonly Command[] = [
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
      const file = findKey(client, args[1])
      let value = args[2]
      if (file === undefined) {
        setKey(client, args[1], value)
      } else {
        checkLength(client, file.value.length + value.length)
        value = concatenate(file.value, value)
        updateKey(client, args[1], value, file.lease?.expireTime)
      }
      client.server.notifyKeyspace('append', args[1])
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
      const file = findKey(client, args[1])
      let value = file?.value ?? ''
      if (args[3] !== '') {
        checkLength(client, Number(offset) + args[3].length)
        value = overwrite(value, Number(offset), args[3])
        if (file === undefined) setKey(client, args[1], value)
        else updateKey(client, args[1], value, file.lease?.expireTime)
        client.server.notifyKeyspace('setrange', args[1])
      }
      client.reply.integer(value.length)
    },
  },
]
