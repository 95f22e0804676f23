import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type RunningServer, startServer } from '../../src/server/start.ts'
import { ManualClock } from '../../src/store/clock.ts'

const WRONGTYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'

let clock: ManualClock
let server: RunningServer
let client: Redis

beforeEach(async () => {
  clock = new ManualClock(1_600_000_000_000)
  server = await startServer({ port: 0, clock })
  client = new Redis(server.port ?? 0, '127.0.0.1')
})

afterEach(async () => {
  client.disconnect()
  await server.close()
})

/** Calls a command, given as a line of words. */
const call = (line: string): Promise<unknown> => {
  const [name, ...args] = line.split(' ')
  return client.call(name, ...args)
}
const index = (): Promise<unknown> => call('KINDEX')

/** The events that watchers have seen from an index on. */
function eventsSince(since: number): unknown[] {
  const events: unknown[] = []
  for (let at = since; at <= server.store.index; at++) {
    const event = server.store.findEvent('/', true, at)
    events.push({ action: event?.action, key: event?.node.key, value: event?.node.value })
  }
  return events
}

function pairsOf(flat: unknown): Record<string, unknown> {
  const list = flat as unknown[]
  return Object.fromEntries(
    Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], list[2 * i + 1]]),
  )
}

/** Every string command, on the key `d`. */
const onDirectory = [
  ...[
    'GET d',
    'STRLEN d',
    'GETRANGE d 0 1',
    'SUBSTR d 0 1',
    'GETDEL d',
    'GETEX d',
    'GETEX d EX 10',
  ],
  ...['SET d v', 'SET d v EX 10', 'SET d v NX', 'SET d v XX', 'SET d v GET', 'SET d v KEEPTTL'],
  ...[
    'SET d v IFEQ x',
    'SET d v IFNE x',
    'SETNX d v',
    'SETEX d 10 v',
    'PSETEX d 10 v',
    'GETSET d v',
  ],
  ...[
    'MSET d v',
    'MSET a 1 d v b 2',
    'MSETNX d v',
    'MSETNX a 1 d v',
    'APPEND d v',
    'SETRANGE d 0 v',
  ],
  ...['INCR d', 'DECR d', 'INCRBY d 2', 'DECRBY d 2', 'INCRBYFLOAT d 2'],
]

test.for(onDirectory)('%s on a directory is WRONGTYPE', async (line) => {
  await call('KSET /d/file x')
  await expect(call(line)).rejects.toThrow(WRONGTYPE)
  expect(await index()).toBe(1)
  expect(await call('MGET a b d d/file')).toEqual([null, null, null, 'x'])
})

test.for(['SET / v', 'SET . v', 'GET /', 'INCR ..', 'MSET a 1 / 2'])(
  'the root is a directory too: %s',
  async (line) => {
    await expect(call(line)).rejects.toThrow(WRONGTYPE)
    expect(await index()).toBe(0)
  },
)

test('there is no key below a key', async () => {
  await call('SET a 1')
  for (const line of ['GET a/b', 'GETDEL a/b/c', 'GETEX a/b PERSIST', 'SET a/b v XX']) {
    expect(await call(line)).toBeNull()
  }
  expect(await call('STRLEN a/b')).toBe(0)
  expect(await call('MGET a a/b')).toEqual(['1', null])
})

test.for([
  ...['SET a/b v', 'SET a/b/c v NX', 'SETNX a/b v', 'SETEX a/b 10 v', 'GETSET a/b v', 'INCR a/b'],
  ...[
    'APPEND a/b v',
    'SETRANGE a/b 0 v',
    'INCRBYFLOAT a/b 1',
    'MSET c 1 a/b v',
    'MSETNX c 1 a/b v',
  ],
])('nothing is written below a key: %s', async (line) => {
  await call('SET a 1')
  await expect(call(line)).rejects.toThrow('NOTDIR 104 Not a directory (/a) [1]')
  expect(await call('MGET a c')).toEqual(['1', null])
})

test.for(['k', 'a/b', '_hidden', 'a/_b/c'])('the key %s is the node at that path', async (key) => {
  expect(await call(`SET ${key} v`)).toBe('OK')
  expect(pairsOf(pairsOf(await call(`KGET /${key}`)).node)).toMatchObject({
    key: `/${key}`,
    value: 'v',
  })
  expect(await call(`MGET /${key} ${key} //${key}/. nope/../${key}`)).toEqual(['v', 'v', 'v', 'v'])
})

test.for([
  ...['GET', 'INCR', 'STRLEN', 'GETDEL', 'MGET'].map((name) => [name]),
  ...['SET', 'APPEND', 'MSET', 'MSETNX'].map((name) => [name, 'v']),
])('a path that is too long is refused: %j', async ([name, ...rest]) => {
  await expect(client.call(name, 'x'.repeat(65_537), ...rest)).rejects.toThrow('path is too long')
  expect(await index()).toBe(0)
})

test.for([
  ['a', '1', 'a/b', '2'],
  ['a/b', '2', 'a', '1'],
  ['a/b/c', '1', 'x', '2', 'a-b', '3', '/a/b/', '4'],
  ['a\0b/c', '1', 'a!', '2', 'a\0b', '3'],
  ['x', '1', 'file/below', '2'],
  ['x', '1', 'directory', '2'],
  ['x', '1', 'y/z', '2', 'x'.repeat(65_537), '3'],
  ['x', '1', 'y/z', '2', '/deep'.repeat(1025), '3'],
])('MSET and MSETNX write all or nothing: %j', async (args) => {
  await call('SET file 1')
  await call('KMKDIR directory')
  for (const name of ['MSET', 'MSETNX']) {
    await expect(client.call(name, ...args)).rejects.toThrow(/^(NOTDIR|WRONGTYPE|ERR path is too)/)
  }
  expect(await index()).toBe(2)
  expect(pairsOf(pairsOf(await call('KGET /')).node).nodes).toHaveLength(2)
})

test('MSET names the key that is in the way of another', async () => {
  await expect(client.call('MSET', 'a\0b/c', '1', 'a!', '2', 'a\0b', '3')).rejects.toThrow(
    'NOTDIR 104 Not a directory (/a\0b) [0]',
  )
})

test('MSET accepts keys that begin alike but are not below each other', async () => {
  expect(await call('MSET a 1 a-b/c 2 ab/c 3 a! 4 a.b 5 d/e 6 d/f 7 d/ef 8 a 9')).toBe('OK')
  expect(await call('MGET a a-b/c ab/c a! a.b d/e d/f d/ef')).toEqual([...'92345678'])
})

test('MSET writes where an expired file or directory was in the way', async () => {
  await call('SET a 1 PX 10')
  await call('KMKDIR d PX 10')
  clock.advance(11)
  expect(await call('MSETNX a/b 2 d 3')).toBe(1)
  expect(await call('MGET a/b d')).toEqual(['2', '3'])
})

test.for([
  ['SET k v', 'set', 'v'],
  ['SET k v KEEPTTL', 'set', 'v'],
  ['SET k v XX', 'set', 'v'],
  ['SET k v IFEQ 1', 'set', 'v'],
  ['SETEX k 5 v', 'set', 'v'],
  ['GETSET k v', 'set', 'v'],
  ['MSET k v', 'set', 'v'],
  ['INCR k', 'update', '2'],
  ['DECRBY k 3', 'update', '-2'],
  ['INCRBYFLOAT k 0.5', 'update', '1.5'],
  ['APPEND k 0', 'update', '10'],
  ['SETRANGE k 1 x', 'update', '1x'],
  ['GETEX k EX 50', 'update', '1'],
  ['GETEX k PERSIST', 'update', '1'],
  ['GETEX k EXAT 1', 'delete', undefined],
  ['GETDEL k', 'delete', undefined],
] as const)('watchers see %s as %s', async ([line, action, value]) => {
  await call('SET k 1 EX 100')
  await call(line)
  expect(eventsSince(2)).toEqual([{ action, key: '/k', value }])
  // Only a replaced file has a new createdIndex.
  if (action === 'delete') return
  const { createdIndex } = pairsOf(pairsOf(await call('KGET k')).node)
  expect(createdIndex).toBe(action === 'set' ? 2 : 1)
})

test.for([
  ['SETNX k v', 'v'],
  ['INCR k', '1'],
  ['INCRBYFLOAT k 3', '3'],
  ['APPEND k a', 'a'],
  ['SETRANGE k 1 b', '\0b'],
  ['MSETNX k v', 'v'],
  ['SET k v IFNE x', 'v'],
] as const)('watchers see %s of a missing key as set', async ([line, value]) => {
  await call(line)
  expect(eventsSince(1)).toEqual([{ action: 'set', key: '/k', value }])
})

test.for([
  ...['SETNX k v', 'SET k v NX', 'SET missing v XX', 'SET k v IFEQ 2', 'SET k v IFNE 1'],
  ...[
    'SET missing v IFEQ 1',
    'MSETNX missing 1 k 2',
    'GETEX k',
    'GETEX k PERSIST',
    'GETDEL missing',
  ],
  ...['GETEX missing EX 10', 'STRLEN k', 'GETRANGE k 0 1', 'MGET k missing'],
])('%s changes nothing and is no event', async (line) => {
  await call('SET k 1')
  await call(line)
  expect(await index()).toBe(1)
  expect(await call('MGET k missing')).toEqual(['1', null])
})

test('a change keeps the TTL, a new value drops it', async () => {
  const ttl = async (): Promise<unknown> => pairsOf(pairsOf(await call('KGET k')).node).ttl
  await call('SET k 1 EX 100')
  clock.advance(10_000)
  for (const line of [
    'INCR k',
    'INCRBYFLOAT k 1',
    'APPEND k 0',
    'SETRANGE k 0 2',
    'SET k 5 KEEPTTL',
  ]) {
    await call(line)
    expect(await ttl()).toBe(90)
  }
  await call('GETEX k EX 5')
  expect(await ttl()).toBe(5)
  await call('GETEX k PERSIST')
  expect(await ttl()).toBeUndefined()
  await call('SETEX k 7 v')
  expect(await ttl()).toBe(7)
  await call('SET k v')
  expect(await ttl()).toBeUndefined()
  await call('PSETEX k 7001 v')
  expect(await ttl()).toBe(8)
  clock.advance(7000)
  expect(await call('GET k')).toBe('v')
  clock.advance(1)
  expect(await call('GET k')).toBeNull()
  expect(await call('SET k 1 KEEPTTL')).toBe('OK')
  expect(await ttl()).toBeUndefined()
})

test('a time beyond the year 9999 becomes the end of that year', async () => {
  expect(await call('SET k v PXAT 9223372036854775807')).toBe('OK')
  expect(pairsOf(pairsOf(await call('KGET k')).node).expiration).toBe('9999-12-31T23:59:59.999Z')
})

test('SET IFEQ and IFNE work as in Redis 8.4', async () => {
  expect(await call('SET k v IFEQ v')).toBeNull()
  expect(await call('SET k v IFNE v')).toBe('OK')
  expect(await call('SET k w IFNE v')).toBeNull()
  expect(await call('SET k w IFEQ V')).toBeNull()
  expect(await call('SET k w IFEQ v')).toBe('OK')
  expect(await call('SET k x ifeq w GET')).toBe('w')
  expect(await call('SET k y IFEQ nope GET')).toBe('x')
  expect(await call('SET missing y GET IFEQ nope')).toBeNull()
  expect(await call('SET k y IFNE x GET EX 10')).toBe('x')
  expect(await call('SET k z KEEPTTL IFEQ x')).toBe('OK')
  expect(await call('GET k')).toBe('z')
  expect(await call('GET missing')).toBeNull()
  const wrong = [
    'IFEQ',
    'IFNE',
    'IFEQ a IFNE b',
    'NX IFEQ a',
    'IFEQ a NX',
    'IFNE a XX',
    'IFEQ a IFEQ a',
  ]
  for (const options of wrong) {
    await expect(call(`SET k v ${options}`)).rejects.toThrow('ERR syntax error')
  }
  await expect(call('GETEX k IFEQ z')).rejects.toThrow('ERR syntax error')
})

test('APPEND joins pieces of all sizes', async () => {
  let expected = ''
  for (let round = 0; round < 300; round++) {
    const piece = String.fromCharCode(33 + (round % 90)).repeat(1 + ((round * round) % 700))
    expected += piece
    expect(await client.append('k', piece)).toBe(expected.length)
  }
  expect(await client.get('k')).toBe(expected)
})

test('LCS is an unknown command', async () => {
  await expect(call('LCS a b')).rejects.toThrow("ERR unknown command 'LCS'")
})

/** A clock that moves on while a command runs. */
class TickingClock extends ManualClock {
  #ticks = 0

  override now(): number {
    return super.now() + this.#ticks++
  }
}

test('a key that expires while a command changes it causes no error', async () => {
  const ticking = await startServer({ port: 0, clock: new TickingClock() })
  const other = new Redis(ticking.port ?? 0, '127.0.0.1')
  try {
    const lines = [
      'INCR k',
      'APPEND k 2',
      'SETRANGE k 0 2',
      'GETDEL k',
      'GETEX k EX 9',
      'INCRBYFLOAT k 1',
    ]
    for (const line of lines) {
      for (let ms = 1; ms < 30; ms++) {
        const [name, ...args] = line.split(' ')
        const pipeline = other
          .pipeline()
          .call('SET', 'k', '1', 'PX', ms)
          .call(name, ...args)
        const replies = (await pipeline.exec()) ?? []
        expect(replies.map(([error]) => error)).toEqual([null, null])
      }
    }
  } finally {
    other.disconnect()
    await ticking.close()
  }
})
