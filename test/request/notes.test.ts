import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { PathPattern } from '../../src/access/path-pattern.ts'
import { Search } from '../../src/request/search.ts'
import { startServer } from '../../src/server/start.ts'
import { ErrorReply, join, type RawClient, start } from '../server/raw-client.ts'

test('MONITOR shows no password of HELLO, whatever stands before it', async () => {
  const server = await start()
  const monitor = await join(server)
  const client = await join(server)
  let shown = ''
  monitor.socket.on('data', (chunk: Buffer) => {
    shown += chunk.toString('latin1')
  })
  await monitor.call('MONITOR')
  await client.call('HELLO', '3', 'AUTH', 'default', 'secret1', 'AUTH', 'default', 'secret2')
  await client.call('HELLO', '3', 'SETNAME', 'AUTH', 'AUTH', 'default', 'secret3')
  await client.call('HELLO', '3', 'SETNAME', 'name', 'AUTH', 'default', 'secret4')
  await client.call('PING')
  await expect.poll(() => shown).toContain('"PING"')
  expect(shown.match(/"HELLO"/g)).toHaveLength(3)
  expect(shown).toContain('"name"')
  expect(shown).not.toContain('secret')
})

describe('for a user with 1,000 key patterns', () => {
  // Not a spy, which would keep the arguments of millions of calls.
  const { matches } = PathPattern.prototype
  const tries = { count: 0 }
  beforeEach(() => {
    PathPattern.prototype.matches = function (path, start) {
      tries.count++
      return matches.call(this, path, start)
    }
  })
  afterEach(() => {
    PathPattern.prototype.matches = matches
  })

  async function scene() {
    const server = await startServer({
      port: 0,
      directives: { 'slowlog-log-slower-than': '0', 'exec-read-time-limit': '0' },
    })
    const admin = await join(server)
    const patterns = patternsOf(1000)
    await admin.call('ACL', 'SETUSER', 'u', 'on', 'nopass', '+@all', '&*', ...patterns, '~z*')
    const join1 = async (): Promise<RawClient> => {
      const user = await join(server)
      await user.call('AUTH', 'u', '')
      return user
    }
    return { server, admin, user: join1 }
  }
  const patternsOf = (count: number): string[] =>
    Array.from({ length: count }, (_, i) => `~z*q${i}*y`)
  const keys = (count: number): string[] => Array.from({ length: count }, (_, i) => `z${i}`)

  test('MONITOR judges a request once for all its clients, and none that would take long', async () => {
    const { admin, user } = await scene()
    const shown = ['', '']
    for (const i of [0, 1]) {
      const monitor = await user()
      await monitor.call('MONITOR')
      monitor.socket.on('data', (chunk: Buffer) => {
        shown[i] += chunk.toString('latin1')
      })
    }
    tries.count = 0
    await admin.call('MGET', ...keys(1000))
    expect(tries.count).toBe(0)
    await admin.call('MGET', ...keys(10))
    await expect.poll(() => shown.map((each) => each.match(/"MGET"/g)?.length)).toEqual([1, 1])
    expect(tries.count).toBeLessThanOrEqual(10 * 1001)
  })

  test('SLOWLOG looks only as far back as not too many are tried, and EXEC bounds it', async () => {
    const { admin, user } = await scene()
    const client = await user()
    for (let i = 0; i < 50; i++) await admin.call('MGET', ...keys(30))
    tries.count = 0
    expect(await client.call('SLOWLOG', 'LEN')).toBeLessThan(10)
    expect(tries.count).toBeLessThan(300_000)
    expect(await client.call('SLOWLOG', 'GET', '1')).toHaveLength(1)
    await client.call('MULTI')
    for (let i = 0; i < 100; i++) await client.call('SLOWLOG', 'LEN')
    const replies = (await client.call('EXEC')) as unknown[]
    expect(replies.at(-1)).toEqual(
      new ErrorReply('ERR too many patterns tried by one transaction (the limit is 5000000)'),
    )
  })

  test('a request of long keys is judged as one of many, and one with a long value is not', async () => {
    const { admin, user } = await scene()
    const monitor = await user()
    let shown = ''
    await monitor.call('MONITOR')
    monitor.socket.on('data', (chunk: Buffer) => {
      shown += chunk.toString('latin1')
    })
    tries.count = 0
    await admin.call('MGET', ...keys(10).map((key) => key.padEnd(5000, 'x')))
    expect(tries.count).toBe(0)
    await admin.call('SET', 'z', 'x'.repeat(20_000))
    await expect.poll(() => shown).toContain('"SET"')
    expect(shown).not.toContain('"MGET"')
  })

  test.each([['RANDOMKEY'], ['SCAN', '0']])('EXEC bounds %s of long keys', async (...request) => {
    const { server, user } = await scene()
    server.store.set(`/z${'x'.repeat(6000)}`, '')
    const client = await user()
    await client.call('MULTI')
    for (let i = 0; i < 100; i++) await client.call(...request)
    const replies = (await client.call('EXEC')) as unknown[]
    expect(replies.at(0)).not.toBeInstanceOf(ErrorReply)
    expect(replies.at(-1)).toEqual(
      new ErrorReply('ERR too many patterns tried by one transaction (the limit is 5000000)'),
    )
  })

  test('a notification asks once whether it may be seen, however many listen', async () => {
    const { admin, user } = await scene()
    await admin.call('CONFIG', 'SET', 'notify-keyspace-events', 'KEA')
    const listeners = [await user(), await user()]
    for (const client of listeners) {
      for (let i = 0; i < 20; i++) await client.call('PSUBSCRIBE', `__key${'*'.repeat(i + 1)}`)
    }
    tries.count = 0
    await admin.call('SET', 'za', '1')
    expect(tries.count).toBeLessThanOrEqual(1001)
  })

  test('EXEC bounds SCAN, and PUBSUB NUMSUB looks at channels in pieces', async () => {
    const { server, user } = await scene()
    for (const key of keys(3000)) server.store.set(`/${key}`, '')
    const client = await user()
    await client.call('ACL', 'SETUSER', 'u', 'resetkeys', ...patternsOf(1000))
    await client.call('MULTI')
    for (let i = 0; i < 20; i++) await client.call('SCAN', '0', 'COUNT', '100000')
    const replies = (await client.call('EXEC')) as unknown[]
    expect(replies.at(-1)).toEqual(
      new ErrorReply('ERR too many patterns tried by one transaction (the limit is 5000000)'),
    )
    let longest = 0
    const { next } = Search.prototype
    vi.spyOn(Search.prototype, 'next').mockImplementation(function (this: Search, reply) {
      tries.count = 0
      const more = next.call(this, reply)
      longest = Math.max(longest, tries.count)
      return more
    })
    const names = keys(100).map((key) => `__keyspace@0__:${key}`)
    expect(await client.call('PUBSUB', 'NUMSUB', ...names)).toEqual(names.flatMap((n) => [n, 0]))
    expect(longest).toBeLessThan(12_000)
  })
})
