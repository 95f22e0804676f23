import { expect, test } from 'vitest'
import { frame, join, Push, type RawClient, type Reply, start } from './raw-client.ts'

const pipeline = (...keys: string[]): string => keys.map((key) => frame('KSET', key, 'x')).join('')

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

test('all watchers get all events of one pipeline in order, in RESP2 and RESP3', async () => {
  const server = await start()
  const writer = await join(server)
  const watchers: RawClient[] = []
  for (const protocol of [2, 3, 2, 3] as const) {
    watchers.push(await watching(await join(server, protocol), '/?recursive=true'))
  }
  const keys = Array.from({ length: 50 }, (_, i) => `/k${i % 7}`)
  writer.write(pipeline(...keys))
  await writer.take(keys.length)
  const expected = keys.map((_, i) => ['/?recursive=true', i + 1])
  for (const watcher of watchers) expect(seen(await watcher.untilPong())).toEqual(expected)
})

test('more events than are gathered at a time come in order', async () => {
  const server = await start()
  const [writer, watcher] = [await join(server), await join(server)]
  await watching(watcher, '/?recursive=true')
  const value = 'x'.repeat(100_000)
  writer.write(Array.from({ length: 20 }, () => frame('KSET', '/a', value)).join(''))
  await writer.take(20)
  const messages = seen(await watcher.untilPong())
  expect(messages.map(([, index]) => index)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
})

test('messages of several tree channels come in the order of the writes', async () => {
  const server = await start()
  const writer = await join(server)
  const watcher = await watching(await join(server), '/a', '/b')
  await watching(await join(server), '/a')
  writer.write(pipeline('/a', '/b', '/a', '/b'))
  await writer.take(4)
  const order = ['/a', '/b', '/a', '/b'].map((channel, i) => [channel, i + 1])
  expect(seen(await watcher.untilPong())).toEqual(order)
})

test('messages of patterns and of Redis channels come in order with those of tree channels', async () => {
  const server = await start()
  const writer = await join(server)
  const watcher = await watching(await join(server), '/a')
  await watcher.call('PSUBSCRIBE', '/b*')
  writer.write(pipeline('/a', '/b', '/a'))
  await writer.take(3)
  const types = (await watcher.untilPong()).map((reply) => (reply as Reply[])[0])
  expect(types).toEqual(['message', 'pmessage', 'message'])
  const reader = await watching(await join(server), '/a')
  await reader.call('SUBSCRIBE', 'news')
  writer.write(pipeline('/a') + frame('PUBLISH', 'news', '{"index":0}') + pipeline('/a'))
  await writer.take(3)
  expect(seen(await reader.untilPong()).map(([channel]) => channel)).toEqual(['/a', 'news', '/a'])
})

// Tried again because the system may report the two sockets in the other order.
test('events of earlier requests come first, then those of own requests, each before its reply', {
  retry: 3,
}, async () => {
  const server = await start()
  const writer = await join(server)
  const client = await watching(await join(server, 3), '/?recursive=true')
  // Both writes in one turn of the test, so that the server reads both before it sends.
  writer.write(pipeline('/a', '/a'))
  client.write(pipeline('/b') + frame('PING'))
  const all = await client.take(5)
  expect(seen([all[0], all[1], all[2]]).map(([, index]) => index)).toEqual([1, 2, 3])
  expect(all[3]).not.toBeInstanceOf(Push)
  expect(all[4]).toBe('PONG')
})

test('a client that subscribes within a pipeline gets the events from there on, once, until it leaves', async () => {
  const server = await start()
  const others = await watching(await join(server), '/a?since=1')
  const client = await join(server, 3)
  client.write(
    pipeline('/a', '/a') +
      frame('KWATCH', '/a?since=1') +
      pipeline('/a') +
      frame('KUNWATCH', '/a?since=1') +
      pipeline('/a'),
  )
  // Four replies, two confirmations, and three messages: two of the replay, and one live.
  const all = await client.take(9)
  const indexes = seen(all.filter((reply) => reply instanceof Push && reply.items[0] === 'message'))
  expect(indexes.map(([, index]) => index)).toEqual([1, 2, 3])
  expect(seen(await others.untilPong()).map(([, index]) => index)).toEqual([1, 2, 3, 4])
})

test('a watcher that the server disconnects gets all earlier events first', async () => {
  const server = await start()
  const writer = await join(server)
  const watcher = await watching(await join(server), '/a')
  const state = (await writer.call('KSAVE')) as string
  writer.write(pipeline('/a', '/a') + frame('KRECOVER', state))
  await writer.take(3)
  expect(seen(await watcher.take(2)).map(([, index]) => index)).toEqual([1, 2])
  await watcher.closed
})
