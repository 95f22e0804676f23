// INCR · DECR · INCRBY · DECRBY · INCRBYFLOAT

import { wrongType } from '../../keyspace/keyspace.ts'
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
import type { Command, Outcome } from '../../request/command.ts'
import type { FileNode } from '../../store/tree/node.ts'
import type { Value } from '../../store/value.ts'

/** Shared by the commands of this file. */
const WRITES = {
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  flags: ['write', 'denyoom', 'fast'],
  keys: [1, 1, 1],
} as const

const MIN_64 = -(2n ** 63n)
const MAX_64 = 2n ** 63n - 1n
/** An integer of at most 15 digits. A JavaScript number holds the sum of two of them exactly. */
const SHORT_INTEGER = /^(?:0|-?[1-9]\d{0,14})$/

/** @returns undefined unless the text is an integer of 64 bits */
function parseInteger(text: Value): number | bigint | undefined {
  if (typeof text !== 'string') return undefined
  return SHORT_INTEGER.test(text) ? Number(text) : readInteger64(text)
}

/** @returns undefined if the sum does not fit into 64 bits */
function sumOf(a: number | bigint, b: number | bigint): number | bigint | undefined {
  if (typeof a === 'number' && typeof b === 'number') return a + b
  const sum = BigInt(a) + BigInt(b)
  return sum >= MIN_64 && sum <= MAX_64 ? sum : undefined
}

/** INCR, DECR, INCRBY and DECRBY. @param by undefined if it is no integer */
function increment(client: Client, key: string, by: number | bigint | undefined): Outcome {
  if (by === undefined) return notAnInteger()
  const file = client.server.keyspace.nodeAt(key)
  if (file?.dir === true) return wrongType()
  const value = file === undefined ? 0 : parseInteger(file.value)
  if (value === undefined) return notAnInteger()
  const sum = sumOf(value, by)
  if (sum === undefined) return new CommandError('ERR increment or decrement would overflow')
  putKey(client, key, file, String(sum))
  client.server.keyspace.notify('incrby', key)
  client.reply.integer(sum)
  return undefined
}

/** Gives an existing key a new value and keeps its TTL, or creates the key. */
function putKey(client: Client, key: string, file: FileNode | undefined, value: string): void {
  if (file === undefined) client.server.keyspace.set(key, value)
  else client.server.keyspace.update(key, value, file.lease?.expireTime)
}

/** @returns undefined unless the text is a number that Redis's INCRBYFLOAT takes */
function parseFloatStrictly(text: Value): LongDouble | undefined {
  return typeof text === 'string' ? parseLongDouble(text) : undefined
}

/** Adding to values that are numbers. */
export const incrCommands: readonly Command[] = [
  {
    name: 'incr',
    summary: 'Adds one to the integer at a key; a missing key counts as 0.',
    ...WRITES,
    arity: 2,
    keyFlags: [['RW', 'access', 'update']],
    args: [KEY],
    run(client, args) {
      return increment(client, args[1], 1)
    },
  },
  {
    name: 'decr',
    summary: 'Subtracts one from the integer at a key; a missing key counts as 0.',
    ...WRITES,
    arity: 2,
    keyFlags: [['RW', 'access', 'update']],
    args: [KEY],
    run(client, args) {
      return increment(client, args[1], -1)
    },
  },
  {
    name: 'incrby',
    summary: 'Adds to the integer at a key; a missing key counts as 0.',
    ...WRITES,
    arity: 3,
    keyFlags: [['RW', 'access', 'update']],
    args: [KEY, { name: 'increment', type: 'integer' }],
    run(client, args) {
      return increment(client, args[1], parseInteger(args[2]))
    },
  },
  {
    name: 'decrby',
    summary: 'Subtracts from the integer at a key; a missing key counts as 0.',
    ...WRITES,
    arity: 3,
    keyFlags: [['RW', 'access', 'update']],
    args: [KEY, { name: 'decrement', type: 'integer' }],
    run(client, args) {
      const decrement = parseInteger(args[2])
      if (decrement === MIN_64) return new CommandError('ERR decrement would overflow')
      return increment(client, args[1], decrement === undefined ? undefined : -decrement)
    },
  },
  {
    name: 'incrbyfloat',
    summary: 'Adds to the decimal number at a key; a missing key counts as 0.',
    ...WRITES,
    arity: 3,
    keyFlags: [['RW', 'access', 'update']],
    args: [KEY, { name: 'increment', type: 'double' }],
    run(client, args) {
      const file = client.server.keyspace.nodeAt(args[1])
      if (file?.dir === true) return wrongType()
      const value = parseFloatStrictly(file?.value ?? '0')
      const by = parseFloatStrictly(args[2])
      if (value === undefined || by === undefined) {
        return new CommandError('ERR value is not a valid float')
      }
      const sum = addLongDoubles(value, by)
      if (sum === undefined) return new CommandError('ERR increment would produce NaN or Infinity')
      const text = formatLongDouble(sum)
      putKey(client, args[1], file, text)
      client.server.keyspace.notify('incrbyfloat', args[1])
      client.reply.bulk(text)
      return undefined
    },
  },
]
