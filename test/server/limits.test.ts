import { describe, expect, test } from 'vitest'
import { isLoopback } from '../../src/access/loopback.ts'
import { OutputLimitGuard } from '../../src/server/output-limit.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { ErrorReply, eventually, frame, join, start } from './raw-client.ts'

const MB = 1024 ** 2

describe('a protocol error gets its error reply, and the connection is closed', () => {
  test.each([
    ['a count too large', '*1048577\r\n', 'invalid multibulk length'],
    ['a huge count', '*99999999999999999999\r\n', 'invalid multibulk length'],
    ['a count that is no number', '*x\r\n', 'invalid multibulk length'],
    ['an argument too long', `*1\r\n$${64 * MB + 1}\r\n`, 'invalid bulk length'],
    ['a negative length', '*1\r\n$-1\r\n', 'invalid bulk length'],
    ['no bulk string', '*1\r\n:1\r\n', "expected '$', got ':'"],
    ['a long count', `*${'1'.repeat(65_537)}`, 'too big mbulk count string'],
    ['a long length', `*1\r\n$${'1'.repeat(65_537)}`, 'too big bulk count string'],
    ['a long line', 'x'.repeat(65_537), 'too big inline request'],
    ['open quotes', 'KSET "/a\r\n', 'unbalanced quotes in request'],
  ])('%s', async (_, bytes, message) => {
    const server = await start()
    const client = await join(server)
    // Requests before the error get their replies.
    client.write(`${frame('PING')}${bytes}`)
    expect(await client.next()).toBe('PONG')
    expect(await client.next()).toEqual(new ErrorReply(`ERR Protocol error: ${message}`))
    await client.closed
    expect(client.unread).toBe('')
  })
})

describe('before authentication', () => {
  const directives = { requirepass: 'secret' }

  test('a request has at most ten arguments, of at most 16 KB', async () => {
    const server = await start({ directives })
    const client = await join(server)
    expect(await client.call('PING', ...Array(9).fill('x'))).toBeInstanceOf(ErrorReply)
    expect(await client.call('KSET', '/a', 'x'.repeat(16_384))).toEqual(
      new ErrorReply('NOAUTH Authentication required.'),
    )
    client.write('*11\r\n')
    expect(await client.next()).toEqual(
      new ErrorReply('ERR Protocol error: unauthenticated multibulk length'),
    )
    await client.closed
    const other = await join(server)
    other.write('*2\r\n$4\r\nAUTH\r\n$16385\r\n')
    expect(await other.next()).toEqual(
      new ErrorReply('ERR Protocol error: unauthenticated bulk length'),
    )
    await other.closed
  })

  test('AUTH lifts the limits for the rest of its own pipeline', async () => {
    const client = await join(await start({ directives }))
    client.write(
      frame('AUTH', 'secret') + frame('KSET', '/a', 'x'.repeat(20_000)) + frame('KINDEX'),
    )
    expect((await client.take(3))[2]).toBe(1)
  })

  test('removing the password lifts the limits, too', async () => {
    const server = await start({ directives })
    const [client, admin] = [await join(server), await join(server)]
    expect(await client.call('KINDEX')).toBeInstanceOf(ErrorReply)
    await admin.call('AUTH', 'secret')
    expect(await admin.call('CONFIG', 'SET', 'requirepass', '')).toBe('OK')
    expect(await client.call('KINDEX')).toBe(0)
    expect(await client.call('KSET', '/a', 'x'.repeat(20_000))).toBeInstanceOf(Array)
  })
})

test('a request larger than client-query-buffer-limit disconnects the client', async () => {
  const server = await start({
    directives: { 'client-query-buffer-limit': '1mb', 'proto-max-bulk-len': '1mb' },
  })
  const [client, other] = [await join(server), await join(server)]
  client.write(
    `*3\r\n$4\r\nKSET\r\n$600000\r\n${'x'.repeat(600_000)}\r\n$600000\r\n${'x'.repeat(599_999)}`,
  )
  await client.closed
  expect(client.unread).toBe('')
  expect(await other.call('KSET', '/a', 'x'.repeat(900_000))).toBeInstanceOf(Array)
})

test('an argument that is announced and never sent takes no memory', async () => {
  const server = await start()
  const clients = await Promise.all(Array.from({ length: 50 }, () => join(server)))
  const before = process.memoryUsage().rss
  for (const client of clients) client.write(`*1048576\r\n$${64 * MB}\r\nx`)
  const observer = await join(server)
  await observer.call('PING')
  expect(process.memoryUsage().rss - before).toBeLessThan(64 * MB)
})

test('a client above maxclients gets an error reply and is disconnected', async () => {
  const server = await start({ directives: { maxclients: '3' } })
  const clients = [await join(server), await join(server), await join(server)]
  const fourth = await join(server)
  expect(await fourth.next()).toEqual(new ErrorReply('ERR max number of clients reached'))
  await fourth.closed
  await clients[0].call('QUIT')
  await clients[0].closed
  await clients[1].call('PING')
  expect(await (await join(server)).call('PING')).toBe('PONG')
})

test.each([
  ['127.0.0.1', true],
  ['127.8.9.1', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['10.0.0.1', false],
  ['1127.0.0.1', false],
  ['::ffff:10.127.0.1', false],
  ['fe80::1', false],
  ['', false],
])('protected mode counts "%s" as local: %s', (address, expected) => {
  expect(isLoopback(address)).toBe(expected)
})

test('`timeout` disconnects idle clients, but not those that wait, watch or monitor', async () => {
  const clock = new ManualClock()
  const server = await start({ clock, directives: { timeout: '10' } })
  const [idle, active] = [await join(server), await join(server)]
  const [watcher, waiting, monitor] = [await join(server), await join(server), await join(server)]
  await watcher.call('KWATCH', '/a')
  waiting.send('KWAIT', '/a')
  await monitor.call('MONITOR')
  await idle.call('PING')
  await eventually(() => server.store.hub.count === 2)
  for (let second = 0; second < 12; second++) {
    clock.advance(1000)
    expect(await active.call('PING')).toBe('PONG')
  }
  await idle.closed
  await active.call('KSET', '/a', '1')
  expect(await waiting.next()).toBeInstanceOf(Array)
  expect(await watcher.next()).toBeInstanceOf(Array)
  expect(monitor.ended).toBe(false)
})

test('the hard output limit acts at once, the soft one after some seconds without a break', () => {
  const limit = { hard: 1000, soft: 100, seconds: 10 }
  const guard = new OutputLimitGuard()
  expect(guard.check(1000, limit, 0)).toBe(undefined)
  expect(guard.check(1001, limit, 1)).toContain('hard limit')
  expect(guard.check(101, limit, 9_000)).toBe(undefined)
  expect(guard.check(100, limit, 9_500)).toBe(undefined)
  expect(guard.check(101, limit, 10_000)).toBe(undefined)
  expect(guard.check(101, limit, 20_000)).toBe(undefined)
  expect(guard.check(101, limit, 20_001)).toContain('soft limit')
  expect(guard.check(1e9, { hard: 0, soft: 0, seconds: 0 }, 30_000)).toBe(undefined)
})

describe('paths', () => {
  const requests = (path: string): string[][] => [
    ['KSET', path, '1'],
    ['KCREATE', path, '1', 'UNIQUE'],
    ['KMKDIR', path],
    ['KGET', path],
    ['KDEL', path, 'RECURSIVE'],
  ]

  test('a tree has at most 1024 levels', async () => {
    const server = await start()
    const client = await join(server)
    const deepest = '/d'.repeat(1024)
    expect(await client.call('KSET', deepest, '1')).toBeInstanceOf(Array)
    for (const request of requests(`${'/e'.repeat(1025)}`).slice(0, 3)) {
      expect(await client.call(...request)).toEqual(
        new ErrorReply(expect.stringContaining('path is too deep') as unknown as string),
      )
    }
    expect(await client.call('KINDEX')).toBe(1)
    expect(await client.call('KGET', '/', 'RECURSIVE', 'SORTED')).toBeInstanceOf(Array)
    expect(await client.call('KRECOVER', (await client.call('KSAVE')) as string)).toBe('OK')
    expect(await client.call('KDEL', '/d', 'RECURSIVE')).toBeInstanceOf(Array)
  })

  test('a path has at most 15 KB', async () => {
    const client = await join(await start())
    const path = `/${'p'.repeat(15_359)}`
    expect(await client.call('KSET', path, '1')).toBeInstanceOf(Array)
    for (const request of [
      ...requests(`${path}p`),
      ['KWATCH', `${path}p`],
      ['KWAIT', `${path}p`],
    ]) {
      expect(await client.call(...request)).toEqual(
        new ErrorReply('ERR path is too long (15361 bytes, the limit is 15360)'),
      )
    }
  })

  test.each(['KWATCH', 'SUBSCRIBE'])(
    '%s refuses a path deeper than the tree may be',
    async (command) => {
      const server = await start()
      const [client, near, writer] = [await join(server), await join(server), await join(server)]
      expect(await client.call(command, '/a'.repeat(32_768))).toBeInstanceOf(ErrorReply)
      expect(server.store.hub.count).toBe(0)
      client.send(command, '/a'.repeat(1024))
      await near.call('KWATCH', '/a?recursive=true')
      await eventually(() => server.store.hub.count === 2)
      await writer.call('KSET', '/a/b', '1')
      expect(await writer.call('KDEL', '/a', 'RECURSIVE')).toBeInstanceOf(Array)
      expect(await near.take(2)).toHaveLength(2)
      await client.vanish()
      await eventually(() => server.store.hub.count === 1)
    },
  )

  test('KWAIT refuses a path deeper than the tree may be', async () => {
    const server = await start()
    const client = await join(server)
    const error = 'ERR path is too deep (1025 levels, the limit is 1024)'
    expect(await client.call('KWAIT', '/a'.repeat(1025))).toEqual(new ErrorReply(error))
    expect(server.store.hub.count).toBe(0)
  })
})

test('an error quotes the beginning of what is far too long, whatever it is made of', async () => {
  const client = await join(await start())
  const long = `${'\n'.repeat(5_000_000)}x`
  for (const request of [
    ['EXPIRE', 'k', '10', long],
    ['LATENCY', 'GRAPH', long],
    ['HELLO', '3', long],
    ['CLIENT', 'KILL', 'TYPE', long],
    ['ACL', 'SETUSER', 'a', long],
  ]) {
    const { text } = (await client.call(...request)) as ErrorReply
    expect(text.endsWith('more bytes)')).toBe(true)
    expect(text.length).toBeLessThan(129 * 1024)
  }
})
