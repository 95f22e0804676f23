import { expect, test } from 'vitest'
import { startServer } from '../../src/server/start.ts'
import { eventually, join, start } from './raw-client.ts'

test('KRECOVER closes the connections that watch the tree, because it sets the index back', async () => {
  const server = await start()
  const [writer, watcher, globber, other] = [
    await join(server),
    await join(server),
    await join(server),
    await join(server),
  ]
  await writer.call('KSET', '/a', '1')
  const state = server.store.save()
  await writer.call('KSET', '/a', '2')
  await watcher.call('SUBSCRIBE', '/a?since=1')
  await globber.call('PSUBSCRIBE', '/*')
  await other.call('SUBSCRIBE', 'news')
  const waiter = await join(server)
  waiter.send('KWAIT', '/b')
  await eventually(() => server.store.hub.count === 2)
  expect(await writer.call('KRECOVER', state)).toBe('OK')
  await Promise.all([watcher.closed, globber.closed, waiter.closed])
  expect(waiter.unread).toBe('')
  expect(await writer.call('PUBLISH', 'news', 'still here')).toBe(1)
  expect(await writer.call('KINDEX')).toBe(1)
})

test('startServer refuses an unknown option and names it', async () => {
  const options = { prot: 1 } as object
  await expect(startServer(options)).rejects.toThrow("startServer: unknown option 'prot'")
})
