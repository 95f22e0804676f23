import { afterAll, beforeAll, expect, test } from 'vitest'
import { commandTable } from '../../../src/commands/table.ts'
import { describeWithPeer } from '../peers.ts'
import { encode, type Pair, parseReplies, pipeline, startPair, type Value } from './pair.ts'

const PREFIXES = { RESP2: '', RESP3: pipeline('HELLO 3') }

/** Every command and subcommand, by its name for COMMAND INFO. */
const NAMES = commandTable.flatMap(({ name, subcommands = [] }) => [
  name,
  ...subcommands.map((subcommand) => `${name}|${subcommand.name}`),
])

/** Positions in a reply of COMMAND INFO. ktree has no tips. */
const TIPS = 7
const SUBCOMMANDS = 9

/** A key specification (a map) without the note that some have in Redis. */
const withoutNotes = (spec: Value): Value => {
  const flat = spec instanceof Map ? [...spec].flat() : (spec as Value[])
  return flat[0] === 'notes' ? flat.slice(2) : flat
}

const comparable = (info: Value): unknown => {
  if (info === null) return null
  const fields = info as Value[]
  return fields.flatMap((field, at) => {
    if (at === TIPS || at === SUBCOMMANDS) return []
    return [
      Array.isArray(field) ? field.map((each) => (at === 8 ? withoutNotes(each) : each)) : field,
    ]
  })
}

/** Requests that use their keys in all possible ways. */
const requests = [
  ...['GET k', 'SET k v', 'SET k v NX', 'SET k v nx Get', 'SET k v EX 10 GET', 'SETNX k v'],
  ...['SETEX k 1 v', 'PSETEX k 1 v', 'GETSET k v', 'GETDEL k', 'GETEX k', 'MGET k l', 'STRLEN k'],
  ...['MSET k v l w', 'MSETNX k v l w', 'APPEND k v', 'GETRANGE k 0 1', 'SUBSTR k 0 1', 'INCR k'],
  ...['SETRANGE k 0 v', 'DECR k', 'INCRBY k 1', 'DECRBY k 1', 'INCRBYFLOAT k 1', 'DEL k l'],
  ...['UNLINK k l', 'EXISTS k l', 'TYPE k', 'TTL k', 'PTTL k', 'EXPIRE k 1', 'PEXPIRE k 1'],
  ...['EXPIREAT k 1', 'PEXPIREAT k 1', 'EXPIRETIME k', 'PEXPIRETIME k', 'PERSIST k', 'RENAME k l'],
  ...['RENAMENX k l', 'COPY k l', 'COPY k l DB 0', 'TOUCH k l', 'OBJECT ENCODING k', 'DUMP k'],
  ...['MEMORY USAGE k', 'MEMORY USAGE k SAMPLES 1', 'RESTORE k 0 x', 'MOVE k 0', 'WATCH k l'],
  ...['KEYS k', 'SCAN 0', 'RANDOMKEY', 'PING', 'MULTI', 'MSET k v l', 'GET', 'OBJECT HELP', 'NOPE'],
]

describeWithPeer('redis-server', 'COMMAND, compared with Redis', () => {
  let pair: Pair
  beforeAll(async () => {
    pair = await startPair()
  })
  afterAll(() => pair?.stop())

  for (const [protocol, prefix] of Object.entries(PREFIXES)) {
    test(`${protocol}: COMMAND INFO of every command that both have`, async () => {
      const { redis, ktree } = await pair.ask(prefix + encode('COMMAND', 'INFO', ...NAMES))
      const [theirs, ours] = [redis, ktree].map((output) =>
        (parseReplies(output).at(-1) as Value[]).map(comparable),
      )
      const both = NAMES.flatMap((name, at) => (theirs[at] === null ? [] : [{ name, at }]))
      expect(both.length).toBeGreaterThan(120)
      for (const { at } of both) expect(ours[at]).toEqual(theirs[at])
    })

    test(`${protocol}: the keys of requests, and how they are used`, async () => {
      const input = requests.flatMap((line) =>
        ['GETKEYS', 'GETKEYSANDFLAGS'].map((name) => encode('COMMAND', name, ...line.split(' '))),
      )
      const { redis, ktree } = await pair.ask(prefix + input.join(''))
      expect(ktree.replace(/(\$2\r\nid\r\n):\d+/, '')).toBe(
        redis.replace(/(\$2\r\nid\r\n):\d+/, ''),
      )
    })
  }

  test.for(['string', 'keyspace', 'dangerous', 'connection', 'transaction', 'pubsub', 'admin'])(
    'COMMAND LIST FILTERBY ACLCAT %s',
    async (category) => {
      const { redis, ktree } = await pair.ask(pipeline(`COMMAND LIST FILTERBY ACLCAT ${category}`))
      const [[theirs], [ours]] = [redis, ktree].map((output) => parseReplies(output) as string[][])
      const all = new Set(NAMES)
      // Redis 7.0 lacks the tree commands and two subcommands of CLIENT.
      const shared = ours.filter((name) => !/^k|setinfo|no-touch/.test(name) || name === 'keys')
      expect(shared.toSorted()).toEqual(theirs.filter((name) => all.has(name)).toSorted())
    },
  )
})
