import { expect, test, vi } from 'vitest'
import { Applier, silentClient } from '../../src/log/apply.ts'
import type { Subscriber } from '../../src/pubsub/subscriber.ts'
import { Subscriptions } from '../../src/pubsub/subscriptions.ts'
import { ServerClock } from '../../src/request/clock.ts'
import { lasting, type PassingMessage } from '../../src/resp/passing-message.ts'
import { Output } from '../../src/server/output.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'
import { join, type Reply, start } from '../server/raw-client.ts'

const index = (message: Reply): number => JSON.parse((message as Reply[])[2] as string).index

test('many watchers get the messages of a turn in one piece, however many subscribed clients it serves', async () => {
  const server = await start()
  const watchers = await Promise.all(Array.from({ length: 40 }, () => join(server)))
  const writers = await Promise.all(Array.from({ length: 20 }, () => join(server, 3)))
  for (const watcher of watchers) await watcher.call('SUBSCRIBE', '/k')
  for (const writer of writers) await writer.call('SUBSCRIBE', 'other')
  const sent = vi.spyOn(Output.prototype, 'send')
  for (const writer of writers) writer.send('SET', '/k', 'x')
  for (const writer of writers) expect(await writer.next()).toBe('OK')
  for (const watcher of watchers) {
    const messages = await watcher.take(writers.length)
    expect(messages.map(index)).toEqual(writers.map((_, i) => i + 1))
  }
  // The server may read the writers in a few turns.
  expect(sent.mock.calls.length).toBeLessThan((watchers.length * writers.length) / 2)
  vi.restoreAllMocks()
})

/** A client with one subscription, and the indexes in each piece that it is sent. */
function watcherOf(pubsub: Subscriptions, store: Store) {
  const pieces: number[][] = []
  const keep = (message: Uint8Array | PassingMessage): void => {
    const text = Buffer.from(lasting(message, 2)).toString('latin1')
    pieces.push([...text.matchAll(/"index":(\d+)/g)].map(([, digits]) => Number(digits)))
  }
  const client: Subscriber = Object.assign(silentClient(new Applier(store).server), {
    channels: new Set<string>(),
    channelCount: 1,
    deliver: keep,
    deliverShared: keep,
  })
  pubsub.subscribe(client, ['/k'])
  return { client, pieces }
}

test('a watcher that is served gets what is gathered, then each message at once until the turn ends', () => {
  const store = new Store({ clock: new ServerClock(new ManualClock()) })
  const pubsub = new Subscriptions(store, () => {})
  const [one, two] = [watcherOf(pubsub, store), watcherOf(pubsub, store)]
  store.set('/k', '')
  store.set('/k', '')
  pubsub.flushFor(one.client)
  store.set('/k', '')
  const late = watcherOf(pubsub, store)
  store.set('/k', '')
  pubsub.flushFor(one.client)
  expect(one.pieces).toEqual([[1, 2], [3], [4]])
  expect(late.pieces).toEqual([[4]])
  expect(two.pieces).toEqual([])
  pubsub.flush()
  expect(two.pieces).toEqual([[1, 2, 3, 4]])
  store.set('/k', '')
  store.set('/k', '')
  pubsub.flush()
  expect(one.pieces).toEqual([[1, 2], [3], [4], [5, 6]])
  expect(late.pieces).toEqual([[4], [5, 6]])
  expect(two.pieces).toEqual([
    [1, 2, 3, 4],
    [5, 6],
  ])
})
