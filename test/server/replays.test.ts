import fc from 'fast-check'
import { pino } from 'pino'
import { afterEach, expect, test, vi } from 'vitest'
import { Replays } from '../../src/pubsub/replays.ts'
import { LongWork, PUT_OFF } from '../../src/request/long-work.ts'
import type { Event } from '../../src/store/event.ts'
import { EventHistory } from '../../src/store/history/event-history.ts'
import { isWatched } from '../../src/store/history/watched.ts'
import { WatcherHub } from '../../src/store/watcher-hub.ts'
import { places, writeToGivenPath } from '../store/random-writes.ts'
import { frame, join, LogLines, type RawClient, type Reply, start } from './raw-client.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** What a client is sent, by channel: the indexes of its events. */
async function indexesByChannel(client: RawClient): Promise<Map<string, number[]>> {
  const got = new Map<string, number[]>()
  for (const reply of await client.untilPong()) {
    const [kind, channel, json] = reply as string[]
    if (kind === 'subscribe') got.set(channel, [])
    if (kind === 'message') got.get(channel)?.push(JSON.parse(json).index)
  }
  return got
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50))

test('channels from an index on go through a long history together, in slices', async () => {
  const EVENTS = 30_000
  const CHANNELS = 2000
  const server = await start({ directives: { 'watch-history': '100000' } })
  const client = await join(server)
  for (let i = 1; i <= EVENTS; i++) server.store.set(`/a/${i % 10}/${i % 100}`, '')
  const { history } = server.store
  let turn = 0
  const shown: number[] = []
  const looksBefore = history.looks
  const notify = WatcherHub.prototype.notify
  vi.spyOn(WatcherHub.prototype, 'notify').mockImplementation(function (this: WatcherHub, event) {
    shown[turn] = (shown[turn] ?? 0) + 1
    notify.call(this, event)
  })
  // Each reading of the clock is a millisecond later.
  let now = performance.now()
  vi.spyOn(performance, 'now').mockImplementation(() => now++)
  const count = (): void => {
    turn++
    if (turn < 100_000) next = setImmediate(count)
  }
  let next = setImmediate(count)
  const quiet = Array.from({ length: CHANNELS }, (_, i) => `/quiet/${i}?since=1`)
  client.send('SUBSCRIBE', ...quiet, '/a/3?recursive=true&since=29900')
  const replies = await client.take(CHANNELS + 1 + 10)
  for (let i = 0; i < 5; i++) await settled()
  clearImmediate(next)
  // By themselves they would look at 60 million.
  expect(history.looks - looksBefore).toBeLessThan(500_000)
  const all = shown.filter((each) => each !== undefined)
  expect(all.reduce((sum, each) => sum + each, 0)).toBeLessThan(4 * EVENTS)
  expect(all.length).toBeGreaterThan(10)
  expect(Math.max(...all)).toBeLessThan(1500)
  const messages = replies.filter((reply) => (reply as Reply[])[0] === 'message') as string[][]
  const expected = [29_903, 29_913, 29_923, 29_933, 29_943, 29_953, 29_963, 29_973, 29_983, 29_993]
  expect(messages.map(([, , json]) => JSON.parse(json).index)).toEqual(expected)
})

test('a watcher that goes through the history with others sees what one that goes alone does', async () => {
  vi.spyOn(Replays.prototype, 'find').mockReturnValue(null)
  const queries = fc.array(fc.tuple(places, fc.integer({ min: 1, max: 150 })), {
    minLength: 30,
    maxLength: 30,
  })
  const sample = fc.sample(fc.tuple(fc.array(writeToGivenPath, { minLength: 150 }), queries), 20)
  for (const [writes, asked] of sample) {
    const server = await start({ directives: { 'watch-history': '100000' } })
    const client = await join(server)
    const events: Event[] = []
    const { store } = server
    const half = Math.floor(writes.length / 2)
    for (const write of writes.slice(0, half)) write(store)
    const channels = new Map<string, (event: Event) => boolean>()
    for (const [{ path, recursive }, from] of asked) {
      const since = Math.min(from, store.index)
      if (since === 0) continue
      channels.set(
        `${path}?recursive=${recursive}&since=${since}`,
        (event) => event.index >= since && isWatched(event, path, recursive),
      )
    }
    if (channels.size === 0) continue
    client.send('SUBSCRIBE', ...channels.keys())
    for (const write of writes.slice(half)) {
      write(store)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await settled()
    // Nodes may expire from now on, too.
    const { index: last } = store
    events.push(...store.history)
    const got = await indexesByChannel(client)
    expect(got.size).toBe(channels.size)
    for (const [channel, sees] of channels) {
      expect([channel, got.get(channel)?.filter((index) => index <= last)]).toEqual([
        channel,
        events.filter(sees).map(({ index }) => index),
      ])
    }
    await server.close()
  }
})

test('a watcher that has seen some of its events alone is not shown them again with others', async () => {
  const server = await start()
  const client = await join(server)
  for (let i = 0; i < 5; i++) server.store.set('/a', '')
  const { find } = Replays.prototype
  let calls = 0
  vi.spyOn(Replays.prototype, 'find').mockImplementation(function (this: Replays, replay) {
    return ++calls <= 3 ? find.call(this, replay) : null
  })
  client.send('SUBSCRIBE', '/a?since=1', '/quiet?since=1')
  await settled()
  server.store.set('/a', '')
  const got = await indexesByChannel(client)
  expect(got.get('/a?since=1')).toEqual([1, 2, 3, 4, 5, 6])
})

test.each(['some', 'no'])(
  'a watcher is disconnected if events that it waits for are dropped, and nobody else, while %s others are kept',
  async (kept) => {
    const lines = new LogLines()
    const server = await start({
      directives: { 'watch-history': '10' },
      logger: pino({ level: 'warn' }, lines),
    })
    const [quiet, busy] = [await join(server), await join(server)]
    const { store } = server
    for (let i = 0; i < 5; i++) store.set('/busy', '')
    vi.spyOn(Replays.prototype, 'find').mockReturnValue(null)
    const joinAll = Replays.prototype.join
    vi.spyOn(Replays.prototype, 'join').mockImplementation(function (this: Replays, replay) {
      joinAll.call(this, replay)
      if (replay.path !== '/busy') return
      for (let i = 0; i < 20; i++) store.set('/busy', '')
      if (kept === 'no') store.history.resize({ ...store.history.limits, events: 0 })
    })
    await quiet.call('SUBSCRIBE', '/quiet?since=1')
    busy.send('SUBSCRIBE', '/busy?since=1')
    await busy.closed
    store.set('/quiet', '')
    expect([...(await indexesByChannel(quiet)).values()]).toEqual([])
    expect(lines.holds('a watcher replays too slowly')).toBe(true)
  },
)

test('a watcher that leaves while it waits is forgotten', async () => {
  const server = await start()
  const client = await join(server)
  for (let i = 0; i < 5; i++) server.store.set('/a', '')
  vi.spyOn(Replays.prototype, 'find').mockReturnValue(null)
  client.send('SUBSCRIBE', '/a?since=1', '/b?since=1')
  client.send('UNSUBSCRIBE', '/a?since=1')
  await client.take(3)
  await settled()
  server.store.set('/a', '')
  server.store.set('/b', '')
  expect(server.store.hub.count).toBe(1)
  expect(await client.untilPong()).toHaveLength(1)
})

test('channels that are far behind get each event together, after some that they got alone', async () => {
  const EVENTS = 900
  const CHANNELS = 40
  const server = await start()
  const client = await join(server)
  for (let i = 1; i <= EVENTS; i++) server.store.set(`/a/${i}`, '')
  const find = vi.spyOn(Replays.prototype, 'find')
  const channels = Array.from(
    { length: CHANNELS },
    (_, i) => `/${'./'.repeat(i)}?recursive=true&since=1`,
  )
  client.send('SUBSCRIBE', ...channels)
  const replies = (await client.take(CHANNELS * (1 + EVENTS))) as string[][]
  const found = find.mock.results.filter(({ value }) => typeof value?.index === 'number')
  // In the turn of the request; and 500 after each MB, when all pause. Each alone it would be 40 * EVENTS.
  expect(found.length).toBeLessThan(5 * EVENTS)
  for (const channel of channels) {
    const got = replies.filter(([kind, name]) => kind === 'message' && name === channel)
    expect(got.map(([, , json]) => JSON.parse(json).index)).toEqual(
      Array.from({ length: EVENTS }, (_, i) => i + 1),
    )
  }
})

test('channels of a transaction get their past when it has ended, at the pace of their client', async () => {
  const server = await start({ directives: { 'client-output-buffer-limit': 'pubsub 4mb 0 0' } })
  const client = await join(server)
  await client.call('HELLO', 3)
  for (let i = 1; i <= 900; i++) server.store.set(`/a/${i}`, 'x'.repeat(100))
  const channels = Array.from({ length: 40 }, (_, i) => `/${'./'.repeat(i)}?recursive=true&since=1`)
  client.write(
    [['MULTI'], ['SUBSCRIBE', ...channels], ['EXEC']].map((each) => frame(...each)).join(''),
  )
  const replies = await client.take(2 + 40 * 901)
  // At once they would be over the limit.
  expect(JSON.stringify(replies).length).toBeGreaterThan(4_000_000)
})

test('a replay brings no more at one go than the limit, however fast its client reads', async () => {
  const server = await start({ directives: { 'client-output-buffer-limit': 'pubsub 2mb 0 0' } })
  const client = await join(server)
  for (let i = 1; i <= 400; i++) server.store.set('/a', 'x'.repeat(20_000))
  client.send('SUBSCRIBE', '/a?since=1')
  const replies = (await client.take(401)) as string[][]
  const indexes = replies.slice(1).map(([, , json]) => JSON.parse(json).index)
  expect(indexes).toEqual(Array.from({ length: 400 }, (_, i) => i + 1))
})

test('KWAIT that would look at a long history is put off while others have looked at it', async () => {
  const server = await start()
  const client = await join(server)
  for (let i = 0; i < 5; i++) server.store.set('/a', `${i}`)
  vi.spyOn(EventHistory.prototype, 'looksFrom').mockReturnValue(1_000_000)
  let putOff = 0
  vi.spyOn(LongWork.prototype, 'check').mockImplementation(() => {
    if (++putOff < 3) throw PUT_OFF
  })
  client.send('KWAIT', '/a', 'SINCE', '3')
  client.send('GET', 'a')
  const [event, value] = await client.take(2)
  expect(JSON.stringify(event)).toContain('"2"')
  expect(value).toBe('4')
  expect(putOff).toBe(3)
})
