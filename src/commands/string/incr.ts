// INCR · DECR · INCRBY · DECRBY · INCRBYFLOAT

import { KEY } from '../../request/arguments/argument.ts'
import { CommandError, notAnInteger } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import {
  addLongDoubles,
  formatLongDouble,
  type LongDouble,
  parseLongDouble,
} from '../../request/arguments/long-double.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import type { FileNode } from '../../store/tree/node.ts'

/** What these commands have in common. */
const WRITES = {
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  flags: ['write', 'denyoom', 'fast'],
  keys: [1, 1, 1],
} as const

const MIN_64 = -(2n ** 63n)
const MAX_64 = 2n ** 63n - 1n
/** An integer that a number holds exactly, and its sum with another. */
const SHORT = /^(?:0|-?[1-9]\d{0,14})$/

function parseIncrement(text: string): number | bigint {
  if (SHORT.test(text)) return Number(text)
  const value = readInteger64(text)
  if (value === undefined) throw notAnInteger()
  return value
}

function sumOf(a: number | bigint, b: number | bigint): number | bigint {
  if (typeof a === 'number' && typeof b === 'number') return a + b
  const sum = BigInt(a) + BigInt(b)
  if (sum >= MIN_64 && sum <= MAX_64) return sum
  throw new CommandError('ERR increment or decrement would overflow')
}

function increment(client: Client, key: string, by: number | bigint): void {
  const file = client.server.keyspace.find(key)
  const sum = sumOf(file === undefined ? 0 : parseIncrement(file.value), by)
  putKey(client, key, file, String(sum))
  client.server.keyspace.notify('incrby', key)
  client.reply.integer(sum)
}

/** A new value with the old TTL, or a new key. */
function putKey(client: Client, key: string, file: FileNode | undefined, value: string): void {
  if (file === undefined) client.server.keyspace.set(key, value)
  else client.server.keyspace.update(key, value, file.lease?.expireTime)
}

function parseFloatStrictly(text: string): LongDouble {
  const value = parseLongDouble(text)
  if (value === undefined) throw new CommandError('ERR value is not a valid float')
  return value
}

/** Strings that are numbers. */
export const incrCommands: readonly Command[] = [
  {
    name: 'incr',
    summary: 'Adds one to the integer of a key, which is 0 if there is none.',
    ...WRITES,
    arity: 2,
    keyFlags: [['RW', 'access', 'update']],
    args: [KEY],
    run(client, args) {
      increment(client, args[1], 1)
    },
  },
  {
    name: 'decr',
    summary: 'Takes one from the integer of a key, which is 0 if there is none.',
    ...WRITES,
    arity: 2,
    keyFlags: [['RW', 'access', 'update']],
    args: [KEY],
    run(client, args) {
      increment(client, args[1], -1)
    },
  },
  {
    name: 'incrby',
    summary: 'Adds to the integer of a key, which is 0 if there is none.',
    ...WRITES,
    arity: 3,
    keyFlags: [['RW', 'access', 'update']],
    args: [KEY, { name: 'increment', type: 'integer' }],
    run(client, args) {
      increment(client, args[1], parseIncrement(args[2]))
    },
  },
  {
    name: 'decrby',
    summary: 'Takes from the integer of a key, which is 0 if there is none.',
    ...WRITES,
    arity: 3,
    keyFlags: [['RW', 'access', 'update']],
    args: [KEY, { name: 'decrement', type: 'integer' }],
    run(client, args) {
      const decrement = parseIncrement(args[2])
      if (decrement === MIN_64) throw new CommandError('ERR decrement would overflow')
      increment(client, args[1], -decrement)
    },
  },
  {
    name: 'incrbyfloat',
    summary: 'Adds to the decimal number of a key, which is 0 if there is none.',
    ...WRITES,
    arity: 3,
    keyFlags: [['RW', 'access', 'update']],
    args: [KEY, { name: 'increment', type: 'double' }],
    run(client, args) {
      const file = client.server.keyspace.find(args[1])
      const value = parseFloatStrictly(file?.value ?? '0')
      const sum = addLongDoubles(value, parseFloatStrictly(args[2]))
      if (sum === undefined) throw new CommandError('ERR increment would produce NaN or Infinity')
      const text = formatLongDouble(sum)
      putKey(client, args[1], file, text)
      client.server.keyspace.notify('incrbyfloat', args[1])
      client.reply.bulk(text)
    },
  },
]
