import { expect, test, vi } from 'vitest'
import { WatchableTree } from '../../src/store/watchable-tree.ts'
import { join, type Reply, start } from '../server/raw-client.ts'

/** A server with 100 keys, each of whose paths takes so many looks to find. */
async function scene(looks: number) {
  const server = await start()
  const { store } = server
  for (let i = 0; i < 100; i++) store.set(`/d/${i}`, '')
  const { visiblePaths } = store
  vi.spyOn(store, 'visiblePaths').mockImplementation((now) => {
    const paths = visiblePaths.call(store, now)
    const of = paths.of.bind(paths)
    vi.spyOn(paths, 'of').mockImplementation((file) => {
      paths.looks += looks
      return of(file)
    })
    return paths
  })
  return { store, client: await join(server) }
}

test('KEYS goes on in pieces when paths take many looks to find', async () => {
  const few = await scene(1000)
  const copied = vi.spyOn(few.store, 'keyCopy')
  expect(await few.client.call('KEYS', 'd/*')).toHaveLength(100)
  expect(copied).not.toHaveBeenCalled()
  const many = await scene(100_000)
  const alsoCopied = vi.spyOn(many.store, 'keyCopy')
  expect(new Set((await many.client.call('KEYS', 'd/*')) as string[]).size).toBe(100)
  expect(alsoCopied).toHaveBeenCalledOnce()
})

test('so does it for files that are not visible', async () => {
  const { store, client } = await scene(100_000)
  const copied = vi.spyOn(store, 'keyCopy')
  await client.call('MULTI')
  await client.call('KDEL', '/d', 'RECURSIVE')
  await client.call('KEYS', '*')
  const replies = (await client.call('EXEC')) as Reply[]
  expect(replies[1]).toEqual([])
  expect(copied).toHaveBeenCalledOnce()
})

test('SCAN ends early, and finds all keys in the end', async () => {
  const { client } = await scene(100_000)
  const keys: string[] = []
  let calls = 0
  let cursor = '0'
  do {
    const [next, found] = (await client.call('SCAN', cursor, 'COUNT', '1000')) as [string, string[]]
    expect(found.length).toBeLessThan(20)
    cursor = next
    keys.push(...found)
    calls++
  } while (cursor !== '0')
  expect(new Set(keys).size).toBe(100)
  expect(calls).toBeGreaterThan(5)
})

test('RANDOMKEY draws files of a removed directory only until they are reclaimed', async () => {
  const server = await start()
  const client = await join(server)
  for (let i = 0; i < 20_000; i++) server.store.set(`/d/${i}`, '')
  const draws = vi.spyOn(WatchableTree.prototype, 'isVisible')
  client.send('MULTI')
  client.send('KDEL', '/d', 'RECURSIVE')
  for (let i = 0; i < 500; i++) client.send('RANDOMKEY')
  await client.take(502)
  const replies = (await client.call('EXEC')) as Reply[]
  expect(replies.slice(1)).toEqual(Array(500).fill(null))
  // Each in vain reclaims 256.
  expect(draws.mock.calls.length).toBeLessThan(100)
  draws.mockRestore()
})
