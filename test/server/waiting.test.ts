import { expect, test, vi } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { eventually, frame, join, type RawClient, type Reply, start } from './raw-client.ts'

/** The number of watchers in KSTATS. */
async function watchers(client: RawClient): Promise<Reply> {
  const stats = (await client.call('KSTATS')) as Reply[]
  return stats[stats.indexOf('watchers') + 1]
}

const field = (event: Reply, name: string): Reply => {
  const items = event as Reply[]
  return items[items.indexOf(name) + 1]
}

test('KWAIT replies with one event, past or future', async () => {
  const server = await start()
  const [client, writer] = [await join(server), await join(server)]
  for (const value of ['1', '2', '3']) await writer.call('KSET', '/d/a', value)
  expect(field(await client.call('KWAIT', '/d/a', 'SINCE', '2'), 'index')).toBe(2)
  expect(field(await client.call('KWAIT', '/d', 'RECURSIVE', 'SINCE', '1'), 'index')).toBe(1)
  client.send('KWAIT', '/d/a', 'SINCE', '5')
  await eventually(() => server.store.hub.count === 1)
  await writer.call('KSET', '/d/a', '4')
  await writer.call('KSET', '/d/a', '5')
  await writer.call('KSET', '/d/a', '6')
  expect(field(await client.next(), 'index')).toBe(5)
  expect(await watchers(writer)).toBe(0)
})

test.each([2, 3] as const)('KWAIT gives up after its timeout, in RESP%i', async (protocol) => {
  const clock = new ManualClock()
  const server = await start({ clock })
  const client = await join(server, protocol)
  client.send('KWAIT', '/a', 'TIMEOUT', '5000')
  client.send('PING')
  await eventually(() => server.store.hub.count === 1)
  clock.advance(4999)
  expect(server.store.hub.count).toBe(1)
  clock.advance(1)
  expect(await client.next()).toBe(null)
  expect(await client.next()).toBe('PONG')
  expect(server.store.hub.count).toBe(0)
})

test('KSYNC replies when the index is reached, and a write does nothing for those who wait longer', async () => {
  const clock = new ManualClock()
  const server = await start({ clock })
  const [near, far, writer] = [await join(server), await join(server), await join(server)]
  const whenAt = vi.spyOn(server.store, 'whenAt')
  near.send('KSYNC', 'INDEX', '3')
  far.send('KSYNC', 'INDEX', '9000000000000000', 'TIMEOUT', '1000')
  far.send('PING')
  await eventually(() => whenAt.mock.calls.length === 2)
  for (const value of ['1', '2', '3', '4']) await writer.call('SET', 'a', value)
  expect(await near.next()).toBeGreaterThanOrEqual(3)
  expect(whenAt).toHaveBeenCalledTimes(2)
  clock.advance(1000)
  expect(await far.next()).toBe(null)
  expect(await far.next()).toBe('PONG')
})

test('the timeout of KWAIT does nothing after the event', async () => {
  const clock = new ManualClock()
  const server = await start({ clock })
  const [client, writer] = [await join(server), await join(server)]
  client.send('KWAIT', '/a', 'TIMEOUT', '5000')
  await eventually(() => server.store.hub.count === 1)
  await writer.call('KSET', '/a', '1')
  expect(field(await client.next(), 'index')).toBe(1)
  clock.advance(6000)
  expect(await client.call('PING')).toBe('PONG')
  expect(client.unread).toBe('')
})

test.each(['-1', '9223372036854775808', 'soon', ''])(
  'KWAIT refuses a timeout of "%s"',
  async (timeout) => {
    const server = await start()
    const client = await join(server)
    expect(await client.call('KWAIT', '/a', 'TIMEOUT', timeout)).toMatchObject({
      text: expect.stringMatching(/^ERR /),
    })
    expect(server.store.hub.count).toBe(0)
  },
)

test('requests behind KWAIT in a pipeline wait until it replies', async () => {
  const server = await start()
  const [client, writer] = [await join(server), await join(server)]
  client.send('KWAIT', '/go')
  client.send('KSET', '/done', '1')
  client.send('KWAIT', '/go', 'SINCE', '3')
  client.send('KGET', '/go')
  await eventually(() => server.store.hub.count === 1)
  await writer.call('KSET', '/other', '1')
  expect(await writer.call('KINDEX')).toBe(1)
  await writer.call('KSET', '/go', '1')
  expect(field(await client.next(), 'index')).toBe(2)
  expect(field(await client.next(), 'index')).toBe(3)
  expect(client.unread).toBe('')
  await writer.call('KSET', '/go', '2')
  expect(field(field(await client.next(), 'node'), 'value')).toBe('2')
  expect(field(field(await client.next(), 'node'), 'value')).toBe('2')
})

test('when one write unblocks many clients, watchers see their writes in order', async () => {
  const server = await start()
  const watcher = await join(server)
  await watcher.call('KWATCH', '/?recursive=true')
  const waiting: RawClient[] = []
  for (let i = 0; i < 20; i++) {
    const client = await join(server)
    client.send('KWAIT', '/go')
    client.send('KSET', `/by/${i}`, '1')
    client.send('KSET', '/last', String(i))
    waiting.push(client)
  }
  await eventually(() => server.store.hub.count === 21)
  const writer = await join(server)
  // In one packet, because two packets could come in two turns.
  writer.write(frame('KSET', '/go', '1') + frame('KSET', '/next', '1'))
  await writer.take(2)
  for (const client of waiting) await client.take(3)
  const messages = (await watcher.untilPong()) as Reply[][]
  const events = messages.map((message) => JSON.parse(message[2] as string))
  expect(events.map(({ index }) => index)).toEqual(Array.from({ length: 42 }, (_, i) => i + 1))
  // The pipeline that unblocked the others was served first, to its end.
  expect(events.slice(0, 2).map(({ node }) => node.key)).toEqual(['/go', '/next'])
})

test('a client that disconnects during KWAIT leaves no watcher', async () => {
  const clock = new ManualClock()
  const server = await start({ clock })
  const observer = await join(server)
  const [reset, closed, killed] = [await join(server), await join(server), await join(server)]
  const clients = [reset, closed, killed]
  for (const client of clients) {
    client.send('KWAIT', '/a', 'TIMEOUT', '1000')
    client.send('KSET', '/after', '1')
  }
  await eventually(() => server.store.hub.count === 3)
  expect(await watchers(observer)).toBe(3)
  await reset.vanish()
  closed.socket.end()
  await eventually(() => server.store.hub.count === 1)
  const { localAddress, localPort } = killed.socket
  expect(await observer.call('CLIENT', 'KILL', `${localAddress}:${localPort}`)).toBe('OK')
  expect(await watchers(observer)).toBe(0)
  clock.advance(2000)
  expect(await observer.call('KINDEX')).toBe(0)
  expect(await killed.closed).toBe(undefined)
})

test('watchers of all kinds are gone with their connections', async () => {
  const server = await start()
  const observer = await join(server)
  for (const request of [
    ['KWATCH', '/a'],
    ['KWATCH', '/b?recursive=true', '/a?since=1'],
    ['PSUBSCRIBE', '/*'],
  ]) {
    const client = await join(server)
    await client.call(...request)
    await client.vanish()
  }
  await eventually(() => server.store.hub.count === 0)
  expect(await watchers(observer)).toBe(0)
  expect(await observer.call('PUBSUB', 'CHANNELS')).toEqual([])
  expect(await observer.call('PUBSUB', 'NUMPAT')).toBe(0)
})

test('a blocked client that hangs up is noticed, even if its turn was over just before', async () => {
  // The clock stands still, so that the survey of every second cannot be the one to notice.
  const directives = { 'enable-debug-command': 'yes' }
  const server = await start({ clock: new ManualClock(), directives })
  const client = await join(server)
  client.write(frame('DEBUG', 'SLEEP', '0.02') + frame('KWAIT', '/a'))
  await client.next()
  await eventually(() => server.store.hub.count === 1)
  client.socket.end()
  await client.closed
  await eventually(() => server.store.hub.count === 0)
})

test('a request that a pause holds back counts as input of its client', async () => {
  const server = await start({ clock: new ManualClock() })
  const [client, other] = [await join(server), await join(server)]
  await other.call('CLIENT', 'PAUSE', '1000', 'WRITE')
  const id = await client.call('CLIENT', 'ID')
  const waiting = async (): Promise<number> => {
    const line = String(await other.call('CLIENT', 'LIST', 'ID', Number(id)))
    return Number(/qbuf=(\d+)/.exec(line)?.[1])
  }
  expect(await waiting()).toBe(0)
  client.send('SET', 'a', 'x'.repeat(100_000))
  // Less while it arrives, and more with its overhead once it waits.
  while ((await waiting()) < 100_100);
  await other.call('CLIENT', 'UNPAUSE')
  expect(await client.next()).toBe('OK')
  expect(await waiting()).toBe(0)
})
