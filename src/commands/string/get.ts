import { noteRead, pathOfKey, readKey } from '../../keyspace/keyspace.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import type { Client } from '../../request/client.ts'
import { type Argument, type Command, notAnInteger } from '../../request/command.ts'

const KEY: Argument = { name: 'key', type: 'key' }

/** What these commands have in common. */
const READS = {
  group: 'string',
  since: '0.1.0',
  complexity: 'O(1)',
  flags: ['readonly', 'fast'],
  keys: [1, 1, 1],
} as const

/** GETRANGE and SUBSTR, which is its old name. */
const RANGE = {
  summary: 'Returns a part of the string of a key, by the places of its first and last byte.',
  ...READS,
  complexity: 'O(N) where N is the length of the part returned',
  arity: 4,
  flags: ['readonly'],
  args: [KEY, { name: 'start', type: 'integer' }, { name: 'end', type: 'integer' }],
  run(client: Client, args: readonly string[]) {
    const start = parseOffset(args[2])
    const end = parseOffset(args[3])
    client.reply.bulk(rangeOf(readKey(client, args[1]) ?? '', start, end))
  },
} satisfies Omit<Command, 'name'>

function parseOffset(text: string): bigint {
  const value = readInteger64(text)
  if (value === undefined) throw notAnInteger()
  return value
}

/** @param start the first byte, @param end the last; negative ones count from the end, from -1 */
function rangeOf(value: string, start: bigint, end: bigint): string {
  // Also where both lie before the first byte, and would be moved to it (Redis).
  if (start < 0n && end < 0n && start > end) return ''
  return value.slice(placeOf(value, start), placeOf(value, end) + 1)
}

function placeOf(value: string, offset: bigint): number {
  // Rounding matters only where the string has long ended.
  const place = Number(offset)
  return place < 0 ? Math.max(0, value.length + place) : place
}

/** Reading strings. */
export const stringReadCommands: readonly Command[] = [
  {
    name: 'get',
    summary: 'Returns the string of a key.',
    ...READS,
    arity: 2,
    args: [KEY],
    run(client, args) {
      client.reply.bulkOrNull(readKey(client, args[1]) ?? null)
    },
  },
  {
    name: 'mget',
    summary: 'Returns the strings of several keys; null for those that have none.',
    ...READS,
    complexity: 'O(N) where N is the number of keys',
    arity: -2,
    keys: [1, -1, 1],
    args: [{ ...KEY, multiple: true }],
    run(client, args) {
      const { reply, server } = client
      reply.array(args.length - 1)
      for (let i = 1; i < args.length; i++) {
        const node = server.store.lookup(pathOfKey(args[i]))
        noteRead(client, args[i], node !== undefined)
        reply.bulkOrNull(node === undefined || node.dir ? null : node.value)
      }
    },
  },
  {
    name: 'strlen',
    summary: 'Returns the length of the string of a key, in bytes.',
    ...READS,
    arity: 2,
    keyFlags: [['RO']],
    args: [KEY],
    run(client, args) {
      client.reply.integer(readKey(client, args[1])?.length ?? 0)
    },
  },
  { name: 'getrange', ...RANGE },
  { name: 'substr', ...RANGE },
]
