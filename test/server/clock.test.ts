import { expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { ErrorReply, eventually, join, type Reply, start } from './raw-client.ts'

const DAY_MS = 86_400_000
/** More than Node.js waits at one go. */
const LONG_MS = 2 ** 31

test('after a jump of the clock, what has expired is told within a second', async () => {
  const clock = new ManualClock()
  const server = await start({ clock })
  const [client, watcher] = [await join(server), await join(server, 3)]
  for (const path of ['/a', '/b']) await client.call('KSET', path, '1', 'PX', 2 * DAY_MS)
  await client.call('KSET', '/later', '1', 'PX', 4 * DAY_MS)
  await watcher.call('KWATCH', '/?recursive=true')
  clock.jump(3 * DAY_MS)
  clock.advance(1000)
  await eventually(() => server.store.index === 5)
  expect(await watcher.untilPong()).toHaveLength(2)
  expect(server.store.stats.expireCount).toBe(2)
  // A clock that was set back again takes nothing with it, and `/later` has its whole time.
  clock.jump(-3 * DAY_MS)
  clock.advance(3 * DAY_MS)
  expect(server.store.index).toBe(5)
  clock.advance(DAY_MS)
  await eventually(() => server.store.index === 6)
})

test('a jump of the clock makes no client idle, and hides no idle one', async () => {
  const clock = new ManualClock()
  const server = await start({ clock, directives: { timeout: '10' } })
  const [active, idle] = [await join(server), await join(server)]
  for (const jump of [DAY_MS, -2 * DAY_MS]) {
    clock.jump(jump)
    clock.advance(2000)
    for (const client of [active, idle]) expect(await client.call('PING')).toBe('PONG')
  }
  expect(await active.call('CLIENT', 'LIST')).toMatch(/ idle=0 .* idle=0 /s)
  for (let second = 0; second < 12; second++) {
    clock.advance(1000)
    expect(await active.call('PING')).toBe('PONG')
  }
  await idle.closed
})

test.each([LONG_MS, 100 * DAY_MS, '9223372036854775807'])(
  'WAIT, KWAIT and CLIENT PAUSE take a timeout of %s ms, and wait that long',
  async (timeout) => {
    const clock = new ManualClock()
    const server = await start({ clock })
    const [waits, watches, paused] = [await join(server), await join(server), await join(server)]
    const observer = await join(server)
    waits.send('WAIT', '1', timeout)
    watches.send('KWAIT', '/a', 'TIMEOUT', timeout)
    await eventually(() => [...server.store.statsMap().watchers.toString()][0] === '1')
    expect(await observer.call('CLIENT', 'PAUSE', timeout, 'WRITE')).toBe('OK')
    paused.send('KSET', '/b', '1')
    const blocked = async (): Promise<number> => {
      const info = (await observer.call('INFO', 'clients')) as string
      return Number(/blocked_clients:(\d+)/.exec(info)?.[1])
    }
    while ((await blocked()) < 3);
    // The surveys of a hundred days would take long one by one.
    clock.advance(10_000)
    expect(await blocked()).toBe(3)
    const replies = [waits, watches, paused].map((client) => client.unread)
    expect(replies).toEqual(['', '', ''])
    expect(await observer.call('CLIENT', 'UNPAUSE')).toBe('OK')
    expect(await paused.next()).not.toBeInstanceOf(ErrorReply)
  },
)

test('SET, EXPIRE and KSET take a TTL of any length that Redis takes', async () => {
  const clock = new ManualClock()
  const server = await start({ clock })
  const client = await join(server)
  const replies: Reply[] = [
    await client.call('SET', 'a', '1', 'PX', LONG_MS),
    await client.call('EXPIRE', 'a', LONG_MS),
  ]
  expect(replies).toEqual(['OK', 1])
  await client.call('KSET', '/b', '1', 'EX', Math.ceil(LONG_MS / 1000))
  clock.advance(5000)
  expect(await client.call('EXISTS', 'a', 'b')).toBe(2)
})
