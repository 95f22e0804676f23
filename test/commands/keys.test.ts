import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type RunningServer, startServer } from '../../src/server/start.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { WatchableTree } from '../../src/store/watchable-tree.ts'
import { testAlone } from '../cluster/alone.ts'

let server: RunningServer
let client: Redis
let clock: ManualClock

beforeEach(async () => {
  clock = new ManualClock(1_600_000_000_000)
  // No outcome here depends on how long a transaction takes.
  server = await startServer({ clock, directives: { 'exec-read-time-limit': '0' } })
  client = new Redis(server.port ?? 0, '127.0.0.1')
})

afterEach(async () => {
  client.disconnect()
  await server.close()
})

const index = async (): Promise<number> => Number(await client.call('KINDEX'))

/** The events from an index on: `delete /a`, `set /b`. */
async function eventsSince(since: number): Promise<string[]> {
  const events: string[] = []
  const last = await index()
  for (let at = since; at <= last; at++) {
    const reply = (await client.call('KWAIT', '/', 'RECURSIVE', 'SINCE', at)) as unknown[]
    const node = reply[3] as unknown[]
    events.push(`${reply[1]} ${node[1]}`)
    expect(reply.at(-1)).toBe(at)
  }
  return events
}

async function scanAll(...options: string[]): Promise<string[]> {
  const keys: string[] = []
  let cursor = '0'
  do {
    const [next, found] = (await client.call('SCAN', cursor, ...options)) as [string, string[]]
    cursor = next
    keys.push(...found)
  } while (cursor !== '0')
  return keys.toSorted()
}

describe('a directory is not a key', () => {
  beforeEach(async () => {
    await client.set('dir/a', '1')
    await client.call('KMKDIR', '/empty')
  })

  test('it has a type, and is not counted, listed or deleted', async () => {
    expect(await client.type('dir')).toBe('directory')
    expect(await client.exists('dir', 'empty', '/', 'dir/a')).toBe(1)
    expect(await client.touch('dir', 'dir/a')).toBe(1)
    expect(await client.dbsize()).toBe(1)
    expect(await client.keys('*')).toEqual(['dir/a'])
    expect(await scanAll()).toEqual(['dir/a'])
    expect(await client.randomkey()).toBe('dir/a')
    const before = await index()
    expect(await client.del('dir', 'empty', '/')).toBe(0)
    expect(await client.unlink('dir/nope', 'empty')).toBe(0)
    expect(await index()).toBe(before)
  })

  test.for([
    ['COPY', 'dir', 'x'],
    ['COPY', 'dir/a', 'empty', 'REPLACE'],
    ['RENAME', 'dir/a', 'empty'],
    ['RENAME', 'dir', 'empty'],
    ['DUMP', 'dir'],
    ['RESTORE', 'dir', '0', '\x00\xc0\x0a\x0a\x00\x6e\x9f\x57\x45\x0e\xae\x63\xbb', 'REPLACE'],
    ['OBJECT', 'ENCODING', 'dir'],
  ])('%j is WRONGTYPE', async ([command, ...args]) => {
    const bytes = args.map((arg) => Buffer.from(arg, 'latin1'))
    await expect(client.call(command, ...bytes)).rejects.toThrow('WRONGTYPE Operation against')
  })

  test('RENAMENX and COPY do not replace it', async () => {
    expect(await client.renamenx('dir/a', 'empty')).toBe(0)
    expect(await client.copy('dir/a', 'empty')).toBe(0)
  })

  testAlone(
    'an expiry is an entry of the log, which comes later',
    'it has a TTL like a key, and expires with all below it',
    async () => {
      expect(await client.ttl('dir')).toBe(-1)
      expect(await client.expire('dir', 100)).toBe(1)
      expect(await client.ttl('dir')).toBe(100)
      expect(await client.call('EXPIRETIME', 'dir')).toBe(1_600_000_100)
      expect(await client.persist('dir')).toBe(1)
      expect(await client.pexpire('dir', 50)).toBe(1)
      const before = await index()
      clock.advance(50)
      expect(await eventsSince(before + 1)).toEqual(['expire /dir'])
      expect(await client.dbsize()).toBe(0)
      expect(await client.expire('empty', -1)).toBe(1)
      expect(await eventsSince(before + 2)).toEqual(['delete /empty'])
    },
  )
})

test('a pattern finds the same keys with a slash in front and without', async () => {
  await client.mset('svc/a', '1', 'svc/b', '2', 'other', '3')
  for (const pattern of ['svc/*', '/svc/*']) {
    expect((await client.keys(pattern)).sort()).toEqual(['svc/a', 'svc/b'])
    const [, scanned] = await client.scan(0, 'MATCH', pattern)
    expect(scanned.sort()).toEqual(['svc/a', 'svc/b'])
  }
  expect((await client.keys('/*')).sort()).toEqual(['other', 'svc/a', 'svc/b'])
  expect(await client.keys('//*')).toEqual([])
})

describe('KEYS and SCAN of a transaction', () => {
  const deep = 'a/'.repeat(20)

  test('see what it has changed before them, also among deep keys', async () => {
    await client.mset(`${deep}x`, '1', `${deep}y`, '2')
    const replies = await client
      .multi()
      .keys('*')
      .del(`${deep}x`)
      .keys('*')
      .rename(deep, `b/${deep}`)
      .scan(0)
      .pexpire('b', -1)
      .keys('*')
      .set(`${deep}z`, '3')
      .keys('*')
      .flushall()
      .set(`${deep}x`, '4')
      .keys('*')
      .exec()
    const found = (replies ?? [])
      .map(([, reply]) => reply)
      .filter(Array.isArray)
      .map((reply) => (Array.isArray(reply[1]) ? reply[1] : reply).toSorted())
    expect(found).toEqual([
      [`${deep}x`, `${deep}y`],
      [`${deep}y`],
      [`b/${deep}y`],
      [],
      [`${deep}z`],
      [`${deep}x`],
    ])
  })

  test('look once at the directories of deep keys', async () => {
    const levels = 200
    for (let i = 0; i < 50; i++) await client.set(`${`${i}/`.repeat(levels)}x`, '1')
    const made = vi.spyOn(WatchableTree.prototype, 'visiblePaths')
    onTestFinished(() => made.mockRestore())
    const transaction = client.multi()
    for (let i = 0; i < 100; i++) transaction.keys('7*').scan(0, 'MATCH', '7*', 'COUNT', 1000)
    const replies = await transaction.exec()
    expect(replies).toHaveLength(200)
    expect(replies?.[198][1]).toEqual([`${'7/'.repeat(levels)}x`])
    expect(made).toHaveBeenCalledTimes(1)
    // Once all of them, then their own directories.
    const looks = made.mock.results.map(({ value }) => value.looks)
    expect(looks[0]).toBeLessThan(50 * (levels + 2) + 200 * 50 * 2)
  })
})

test('keys are paths: a leading slash or an unclean spelling names the same key', async () => {
  await client.set('a/b', '1')
  expect(await client.exists('/a/b', 'a//b', 'a/./b/')).toBe(3)
  expect(await client.rename('a/b', '/a//b')).toBe('OK')
  expect(await client.renamenx('a/b', '/a//b')).toBe(0)
  await expect(client.copy('a/b', '/a/b')).rejects.toThrow('source and destination objects')
  expect(await client.keys('/*')).toEqual(['a/b'])
  expect(await client.del('/a/b/')).toBe(1)
})

test('plain writes are events', async () => {
  await client.set('a', '1')
  await client.set('c', '1')
  const before = await index()
  await client.expire('a', 100)
  await client.persist('a')
  await client.persist('a')
  await client.copy('a', 'b')
  await client.rename('b', 'c')
  await client.expire('c', -1)
  await client.del('a', 'a')
  expect(await eventsSince(before + 1)).toEqual([
    ...['update /a', 'update /a', 'set /b', 'delete /b', 'set /c', 'delete /c', 'delete /a'],
  ])
})

test('EXPIRE and PERSIST keep the value and the createdIndex', async () => {
  await client.set('a', '1')
  await client.set('b', '1')
  await client.expire('a', 10)
  const reply = (await client.call('KGET', 'a')) as unknown[]
  const fields = reply[3] as unknown[]
  expect(fields[fields.indexOf('value') + 1]).toBe('1')
  expect(fields[fields.indexOf('createdIndex') + 1]).toBe(1)
  expect(fields[fields.indexOf('modifiedIndex') + 1]).toBe(3)
})

test('a time beyond the year 9999 becomes the end of that year', async () => {
  await client.set('a', '1')
  expect(await client.expireat('a', 999_999_999_999)).toBe(1)
  expect(await client.call('PEXPIRETIME', 'a')).toBe(253_402_300_799_999)
})

test('RENAME moves a directory, or says why it cannot', async () => {
  await client.mset('dir/a', '1', 'dir/sub/b', '2', 'f', '3')
  const before = await index()
  expect(await client.rename('dir', 'new/place')).toBe('OK')
  expect(await eventsSince(before + 1)).toEqual([
    ...['delete /dir', 'set /new/place', 'set /new/place/a', 'set /new/place/sub'],
    'set /new/place/sub/b',
  ])
  expect(await client.get('new/place/sub/b')).toBe('2')
  await expect(client.rename('new', 'new/place/x')).rejects.toThrow('below itself')
  await expect(client.rename('new', 'f/x')).rejects.toThrow('NOTDIR 104 Not a directory (/f)')
  expect(await client.renamenx('new', 'dir')).toBe(1)
  expect(await scanAll('MATCH', 'dir/*')).toEqual(['dir/place/a', 'dir/place/sub/b'])
})

test('FLUSHALL is one delete of /, which wakes all waiting clients', async () => {
  await client.mset('a/b', '1', 'c', '2')
  const waiting = new Redis(server.port ?? 0, '127.0.0.1')
  const woken = waiting.call('KWAIT', '/a/b', 'SINCE', '3')
  expect(await client.flushall()).toBe('OK')
  expect(((await woken) as unknown[])[1]).toBe('delete')
  expect(await eventsSince(3)).toEqual(['delete /'])
  expect(await client.flushdb('ASYNC')).toBe('OK')
  expect(await index()).toBe(3)
  waiting.disconnect()
})

describe('an expired or removed key is not listed', () => {
  const names = Array.from({ length: 300 }, (_, i) => `dir/${i}`)
  beforeEach(async () => {
    await client.mset(...names.flatMap((name) => [name, '1']), 'last', '2')
  })

  const expectOnly = async (...keys: string[]): Promise<void> => {
    expect(await client.keys('*')).toEqual(keys)
    // SCAN may return a key again, because the last file takes the place of one that is removed meanwhile.
    expect(new Set(await scanAll('COUNT', '3'))).toEqual(new Set(keys))
    expect(await client.randomkey()).toBe(keys[0] ?? null)
  }

  test('after its expiry, or that of a directory above it', async () => {
    await client.expire('dir', 10)
    clock.advance(10_000)
    await expectOnly('last')
    await client.pexpire('last', 1)
    clock.advance(1)
    await expectOnly()
  })

  test('after the removal of its directory', async () => {
    // Sent together, so that the removed files are still in the list.
    const removal = client.call('KDEL', '/dir', 'RECURSIVE')
    await Promise.all([removal, expectOnly('last')])
  })

  test('but counts as looked at: SCAN looks at ten times COUNT keys at most', async () => {
    const left = (reply: unknown): number => Number((reply as [string])[0]) % 2 ** 32
    // Sent together, so that the removed files are still in the list.
    const [, first, second] = await Promise.all([
      client.call('KDEL', '/dir', 'RECURSIVE'),
      client.call('SCAN', '0', 'COUNT', '2'),
      client.call('SCAN', '0', 'COUNT', '5'),
    ])
    expect(left(first) - left(second)).toBe(30)
  })
})

describe('keys that are long because of a directory above them', () => {
  const long = 'x'.repeat(15_000)

  // 45 MB together.
  beforeEach(async () => {
    for (let i = 0; i < 3000; i++) server.store.set(`/a/${i % 7}/${i}`, '')
    server.store.set('/a/_hidden/1', '')
    server.store.set('/a/expired', '', { expireTime: clock.now() + 5 })
    server.store.rename('/a', `/${long}`)
    server.store.set('/short', '')
    clock.advance(10)
  })

  const names = (keys: readonly string[]): string[] =>
    keys.map((key) => key.replace(long, 'x')).toSorted()
  const all = [
    'short',
    'x/_hidden/1',
    ...Array.from({ length: 3000 }, (_, i) => `x/${i % 7}/${i}`),
  ].toSorted()

  test('are all found by KEYS', async () => {
    expect(names(await client.keys('*'))).toEqual(all)
    expect(names(await client.keys('*/3/*1'))).toEqual(all.filter((key) => /\/3\/.*1$/.test(key)))
    expect(names(await client.keys('s*'))).toEqual(['short'])
    expect(await client.keys('none*')).toEqual([])
    expect(await client.multi().keys('none*').keys('s*').exec()).toEqual([
      [null, []],
      [null, ['short']],
    ])
  })

  test('are found by SCAN, which looks at fewer at once', async () => {
    const [cursor, some] = (await client.call('SCAN', '0', 'COUNT', '10000')) as [string, string[]]
    expect(cursor).not.toBe('0')
    expect(some.length).toBeGreaterThan(100)
    expect(names(await scanAll('COUNT', '10000'))).toEqual(all)
    expect(names(await scanAll('COUNT', '10000', 'MATCH', '*/3'))).toEqual(['x/3/3'])
  })

  test('are compared with fewer patterns of a user at once', async () => {
    const patterns = Array.from({ length: 100 }, (_, i) => `~*/${i}*z*y`)
    await client.call('ACL', 'SETUSER', 'narrow', 'on', 'nopass', '+@all', '~short', ...patterns)
    await client.call('AUTH', 'narrow', '')
    const [cursor, some] = (await client.call('SCAN', '0', 'COUNT', '10000')) as [string, string[]]
    expect(cursor).not.toBe('0')
    expect(some.length).toBeLessThan(2)
  })
})

test('RANDOMKEY returns all keys equally often', async () => {
  const names = Array.from({ length: 10 }, (_, i) => (i % 2 ? `k${i}` : `deep/er/k${i}`))
  await client.mset(...names.flatMap((name) => [name, '1']))
  const counts = new Map<string, number>()
  const keys = await Promise.all(Array.from({ length: 5000 }, () => client.randomkey()))
  for (const key of keys) counts.set(String(key), (counts.get(String(key)) ?? 0) + 1)
  expect([...counts.keys()].toSorted()).toEqual(names.toSorted())
  // 500 are expected; a deviation this large comes once in many billion runs.
  for (const count of counts.values()) expect(Math.abs(count - 500)).toBeLessThan(170)
})

test('a cursor from before KRECOVER begins anew', async () => {
  await client.mset(...Array.from({ length: 30 }, (_, i) => [`k${i}`, '1']).flat())
  const [cursor] = await client.scan('0')
  await client.call('KRECOVER', String(await client.call('KSAVE')))
  const [, found] = (await client.call('SCAN', cursor, 'COUNT', '100')) as [string, string[]]
  expect(found.length).toBe(30)
})
