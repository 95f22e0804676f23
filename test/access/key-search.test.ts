import { afterEach, expect, type MockInstance, test, vi } from 'vitest'
import { User } from '../../src/access/user.ts'
import { Search } from '../../src/request/search.ts'
import { ReplyWriter } from '../../src/resp/reply-writer.ts'
import type { RunningServer } from '../../src/server/start.ts'
import { TreeWalk } from '../../src/store/tree/tree-copy.ts'
import { join, type RawClient, type Reply, start } from '../server/raw-client.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** Twenty patterns, of which the last lets keys through that end in 7. */
const PATTERNS = [...Array.from({ length: 19 }, (_, i) => `~*x${i}*y*`), '~d*/*7']
const FILES = 20_000
const keyAt = (i: number): string => `d${i % 40}/k${i}`
const READABLE = Array.from({ length: FILES }, (_, i) => keyAt(i)).filter((key) =>
  key.endsWith('7'),
)

interface Scene {
  server: RunningServer
  admin: RawClient
  user: RawClient
}

async function large(files = FILES, protocol: 2 | 3 = 2): Promise<Scene> {
  const server = await start()
  for (let i = 0; i < files; i++) server.store.set(`/${keyAt(i)}`, 'x')
  const admin = await join(server)
  await admin.call('ACL', 'SETUSER', 'u', 'on', 'nopass', '+@all', 'allchannels', ...PATTERNS)
  const user = await join(server, protocol)
  await user.call('AUTH', 'u', 'x')
  return { server, admin, user }
}

/** How often a spied method is called in each piece of a search. */
function callsPerPiece(method: MockInstance): number[] {
  const pieces: number[] = []
  const next = Search.prototype.next
  vi.spyOn(Search.prototype, 'next').mockImplementation(function (this: Search, reply) {
    method.mockClear()
    const more = next.call(this, reply)
    pieces.push(method.mock.calls.length)
    return more
  })
  return pieces
}

/** How many paths are compared with the user's patterns in each piece of a search. */
const countPieces = (): number[] => callsPerPiece(vi.spyOn(User.prototype, 'mayRead'))

const sorted = (keys: Reply): string[] => [...(keys as string[])].sort()

test.each([2, 3] as const)(
  'a user of many patterns is answered in pieces, in RESP%i',
  async (protocol) => {
    const { user } = await large(FILES, protocol)
    const pieces = countPieces()
    expect(await user.call('DBSIZE')).toBe(READABLE.length)
    expect(sorted(await user.call('KEYS', '*'))).toEqual([...READABLE].sort())
    expect(sorted(await user.call('KEYS', 'd3/*'))).toEqual(
      READABLE.filter((key) => key.startsWith('d3/')).sort(),
    )
    expect(pieces.reduce((sum, count) => sum + count, 0)).toBe(3 * FILES)
    expect(Math.max(...pieces)).toBeLessThan(500)
    expect(READABLE).toContain(await user.call('RANDOMKEY'))
  },
)

test('RANDOMKEY finds the few keys that a user may read, each of them', async () => {
  const { admin, user } = await large(5000)
  await admin.call('ACL', 'SETUSER', 'u', 'resetkeys', ...PATTERNS.slice(0, 19), '~*/k[12]99[89]')
  const few = ['k1998', 'k1999', 'k2998', 'k2999'].map(
    (name) => `d${Number(name.slice(1)) % 40}/${name}`,
  )
  const drawn = new Set<Reply>()
  for (let i = 0; i < 200; i++) drawn.add(await user.call('RANDOMKEY'))
  expect([...drawn].sort()).toEqual(few.sort())
  await admin.call('DEL', ...few)
  expect(await user.call('RANDOMKEY')).toBe(null)
  expect(await user.call('DBSIZE')).toBe(0)
})

test('in EXEC each shows its own moment, although it is counted later', async () => {
  const { user, admin } = await large()
  await admin.call('SET', 'd1/7', 'x', 'PX', '100000')
  await user.call('MULTI')
  for (const request of [
    ['DBSIZE'],
    ['SET', 'd0/new7', 'x'],
    ['DBSIZE'],
    ['KEYS', '*new*'],
    ['DEL', 'd0/new7', 'd1/7'],
    ['DBSIZE'],
    ['KEYS', '*new*'],
  ]) {
    await user.call(...request)
  }
  const count = READABLE.length + 1
  const expected = [count, 'OK', count + 1, ['d0/new7'], 2, count - 1, []]
  expect(await user.call('EXEC')).toEqual(expected)
})

test('an EXEC that counts often copies the keys once', async () => {
  const { admin, user, server } = await large()
  await admin.call('ACL', 'SETUSER', 'u', 'resetkeys', '~d*/*7')
  const copy = vi.spyOn(server.store, 'keyCopy')
  await user.call('MULTI')
  // With a copy each, these would be more than the replies of an EXEC may take.
  const TIMES = 300
  for (let i = 0; i < TIMES; i++) await user.call('DBSIZE')
  expect(await user.call('EXEC')).toEqual(new Array(TIMES).fill(READABLE.length))
  expect(new Set(copy.mock.results.map(({ value }) => value)).size).toBe(1)
})

test.each([[['DBSIZE']], [['KEYS', 'd1/*7']], [['PUBSUB', 'CHANNELS', 'd1*7']]])(
  'an EXEC of many short searches, such as %j, begins few at once',
  async (request) => {
    const { user, admin } = await large(200)
    const channels = Array.from({ length: 200 }, (_, i) => `d1${i}`)
    await admin.call('SUBSCRIBE', ...channels)
    await user.call('MULTI')
    for (let i = 0; i < 100; i++) await user.call(...request)
    const produce = vi.spyOn(ReplyWriter.prototype, 'produce')
    const replies = (await user.call('EXEC')) as Reply[]
    expect(replies.length).toBe(100)
    expect(new Set(replies.map((reply) => JSON.stringify(reply))).size).toBe(1)
    // 200 texts and 20 patterns each: the first two or three fill a piece.
    expect(produce.mock.calls.length).toBeGreaterThanOrEqual(97)
  },
)

test('empty directories are passed over in pieces', async () => {
  const { user, server } = await large(7)
  for (let i = 0; i < 50_000; i++) server.store.createDirectory(`/empty/${i}`)
  const steps = callsPerPiece(vi.spyOn(TreeWalk.prototype, 'next'))
  expect(await user.call('DBSIZE')).toBe(0)
  expect(steps.reduce((sum, count) => sum + count)).toBeGreaterThan(100_000)
  expect(Math.max(...steps)).toBeLessThan(10_000)
})

test('a directory that has been removed is not counted while its nodes are still reclaimed', async () => {
  const { admin, user } = await large()
  await admin.call('KDEL', 'd7', 'RECURSIVE')
  const left = READABLE.filter((key) => !key.startsWith('d7/'))
  expect(await user.call('DBSIZE')).toBe(left.length)
  expect(sorted(await user.call('KEYS', '*'))).toEqual(left.sort())
})

test('one SCAN looks at so many files as a million patterns allow, and the next ones at the rest', async () => {
  const files = 50_000
  const { user } = await large(files)
  const mayRead = vi.spyOn(User.prototype, 'mayRead')
  const found: string[] = []
  const looks: number[] = []
  let cursor = '0'
  do {
    mayRead.mockClear()
    const [next, keys] = (await user.call('SCAN', cursor, 'COUNT', '1000000')) as [string, string[]]
    looks.push(mayRead.mock.calls.length)
    found.push(...keys)
    cursor = next
  } while (cursor !== '0')
  expect(looks).toEqual([47_620, files - 47_620])
  const readable = Array.from({ length: files }, (_, i) => keyAt(i)).filter((k) => k.endsWith('7'))
  expect(found.sort()).toEqual(readable.sort())
})

test('PUBSUB CHANNELS chooses in pieces', async () => {
  const { admin, user } = await large(0)
  const channels = Array.from({ length: 20_000 }, (_, i) => `__keyspace@0__:d1/${i}`)
  await admin.call('SUBSCRIBE', ...channels)
  const pieces: number[] = []
  const next = Search.prototype.next
  vi.spyOn(Search.prototype, 'next').mockImplementation(function (this: Search, reply) {
    pieces.push(1)
    return next.call(this, reply)
  })
  const shown = channels.filter((channel) => channel.endsWith('7'))
  expect(sorted(await user.call('PUBSUB', 'CHANNELS'))).toEqual(shown.sort())
  expect(pieces.length).toBeGreaterThan(40)
})
