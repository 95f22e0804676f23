import { expect, test } from 'vitest'
import { frame, join, Push, type RawClient, type Reply, start } from './raw-client.ts'

const burst = (...keys: string[]): string => keys.map((key) => frame('KSET', key, 'x')).join('')

/** The channel and the index of each message. */
function seen(replies: readonly Reply[]): [channel: string, index: number][] {
  return replies.map((reply) => {
    const items = reply instanceof Push ? reply.items : (reply as Reply[])
    return [items[1] as string, JSON.parse(items[2] as string).index]
  })
}

async function watching(watcher: RawClient, ...channels: string[]): Promise<RawClient> {
  for (const channel of channels) await watcher.call('KWATCH', channel)
  return watcher
}

test('what one burst brings, all watchers get whole and in order, in both versions of RESP', async () => {
  const server = await start()
  const writer = await join(server)
  const watchers: RawClient[] = []
  for (const protocol of [2, 3, 2, 3] as const) {
    watchers.push(await watching(await join(server, protocol), '/?recursive=true'))
  }
  const keys = Array.from({ length: 50 }, (_, i) => `/k${i % 7}`)
  writer.write(burst(...keys))
  await writer.take(keys.length)
  const expected = keys.map((_, i) => ['/?recursive=true', i + 1])
  for (const watcher of watchers) expect(seen(await watcher.untilPong())).toEqual(expected)
})

test('more than is gathered for one piece comes in several, in order', async () => {
  const server = await start()
  const [writer, watcher] = [await join(server), await join(server)]
  await watching(watcher, '/?recursive=true')
  const value = 'x'.repeat(100_000)
  writer.write(Array.from({ length: 20 }, () => frame('KSET', '/a', value)).join(''))
  await writer.take(20)
  const messages = seen(await watcher.untilPong())
  expect(messages.map(([, index]) => index)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
})

test('what comes from several channels comes in the order of the writes', async () => {
  const server = await start()
  const writer = await join(server)
  const watcher = await watching(await join(server), '/a', '/b')
  await watching(await join(server), '/a')
  writer.write(burst('/a', '/b', '/a', '/b'))
  await writer.take(4)
  const order = ['/a', '/b', '/a', '/b'].map((channel, i) => [channel, i + 1])
  expect(seen(await watcher.untilPong())).toEqual(order)
})

test('so does what comes from a pattern, and from a channel of Redis', async () => {
  const server = await start()
  const writer = await join(server)
  const watcher = await watching(await join(server), '/a')
  await watcher.call('PSUBSCRIBE', '/b*')
  writer.write(burst('/a', '/b', '/a'))
  await writer.take(3)
  const types = (await watcher.untilPong()).map((reply) => (reply as Reply[])[0])
  expect(types).toEqual(['message', 'pmessage', 'message'])
  const reader = await watching(await join(server), '/a')
  await reader.call('SUBSCRIBE', 'news')
  writer.write(burst('/a') + frame('PUBLISH', 'news', '{"index":0}') + burst('/a'))
  await writer.take(3)
  expect(seen(await reader.untilPong()).map(([channel]) => channel)).toEqual(['/a', 'news', '/a'])
})

test('what its own requests bring stands before their replies, what others brought before that', async () => {
  const server = await start()
  const writer = await join(server)
  const client = await watching(await join(server, 3), '/?recursive=true')
  // In one turn, so that the server reads both before it sends anything.
  writer.write(burst('/a', '/a'))
  client.write(burst('/b') + frame('PING'))
  const all = await client.take(5)
  expect(seen([all[0], all[1], all[2]]).map(([, index]) => index)).toEqual([1, 2, 3])
  expect(all[3]).not.toBeInstanceOf(Push)
  expect(all[4]).toBe('PONG')
})

test('who subscribes in the middle of a burst gets what follows, once; who leaves, what was before', async () => {
  const server = await start()
  const others = await watching(await join(server), '/a?since=1')
  const client = await join(server, 3)
  client.write(
    burst('/a', '/a') +
      frame('KWATCH', '/a?since=1') +
      burst('/a') +
      frame('KUNWATCH', '/a?since=1') +
      burst('/a'),
  )
  // Two replies; two messages of the past behind the confirmation; one before its reply.
  const all = await client.take(9)
  const indexes = seen(all.filter((reply) => reply instanceof Push && reply.items[0] === 'message'))
  expect(indexes.map(([, index]) => index)).toEqual([1, 2, 3])
  expect(seen(await others.untilPong()).map(([, index]) => index)).toEqual([1, 2, 3, 4])
})

test('a watcher that the server closes has got all that came before', async () => {
  const server = await start()
  const writer = await join(server)
  const watcher = await watching(await join(server), '/a')
  const state = (await writer.call('KSAVE')) as string
  writer.write(burst('/a', '/a') + frame('KRECOVER', state))
  await writer.take(3)
  expect(seen(await watcher.take(2)).map(([, index]) => index)).toEqual([1, 2])
  await watcher.closed
})
