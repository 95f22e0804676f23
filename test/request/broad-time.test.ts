import { performance } from 'node:perf_hooks'
import { afterEach, expect, test, vi } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { ErrorReply, join, type RawClient, type Reply, start } from '../server/raw-client.ts'

const REFUSAL =
  'ERR too much time taken to look through the tree, clients, users or history by one transaction (exec-read-time-limit is 300 ms)'

afterEach(() => {
  vi.restoreAllMocks()
})

async function transact(client: RawClient, ...requests: string[]): Promise<Reply[]> {
  await client.call('MULTI')
  for (const request of requests) expect(await client.call(...request.split(' '))).toBe('QUEUED')
  const replies = (await client.call('EXEC')) as Reply[]
  return replies.map((reply) => (reply instanceof ErrorReply ? reply.text : reply))
}

/** Each KEYS, and each search for a node, takes so many milliseconds more. */
function slowDown({ store }: RunningServer, time: number): void {
  let passed = 0
  const now = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => now() + passed)
  const { visiblePaths, getListing } = store
  vi.spyOn(store, 'visiblePaths').mockImplementation((at) => {
    passed += time
    return visiblePaths.call(store, at)
  })
  vi.spyOn(store, 'getListing').mockImplementation((path, options) => {
    passed += time
    return getListing.call(store, path, options)
  })
}

test('broad requests of an EXEC are refused when they have taken 300 ms, and nothing else is', async () => {
  const server = await start({ directives: { 'exec-read-time-limit': '300' } })
  const client = await join(server)
  await client.call('SET', 'd/a', '1')
  slowDown(server, 160)
  // Each finds another tree, and so looks anew.
  const requests = ['KEYS x', 'SET b 2', 'KEYS x', 'SET c 3', 'KEYS *', 'GET b', 'KGET /d', 'DEL c']
  expect(await transact(client, ...requests, 'DBSIZE', 'EXISTS b c', 'INFO')).toEqual([
    [],
    'OK',
    [],
    'OK',
    REFUSAL,
    '2',
    REFUSAL,
    1,
    REFUSAL,
    1,
    REFUSAL,
  ])
  expect(await client.call('INFO', 'commandstats')).toMatch(
    /cmdstat_keys:calls=2,.*rejected_calls=1,/,
  )
  // The next EXEC begins anew.
  expect(await transact(client, 'KEYS x', 'DBSIZE')).toEqual([[], 2])
})

test('KGET counts if it lists a directory', async () => {
  const server = await start({ directives: { 'exec-read-time-limit': '300' } })
  const client = await join(server)
  await client.call('SET', 'd/a', '1')
  slowDown(server, 400)
  const [missing, file, listing, again, last] = await transact(
    client,
    ...['KGET /none', 'KGET /d/a', 'KGET /d', 'KGET /d', 'KGET /d/a'],
  )
  expect(missing).toMatch(/^KEYNOTFOUND/)
  expect([listing, last]).toEqual([expect.any(Array), file])
  expect(again).toBe(REFUSAL)
})

test('the first is served however long it takes, and without a limit all are', async () => {
  const server = await start({ directives: { 'exec-read-time-limit': '300' } })
  const client = await join(server)
  slowDown(server, 5000)
  expect(await transact(client, 'KEYS x', 'SET b 2')).toEqual([[], 'OK'])
  await client.call('CONFIG', 'SET', 'exec-read-time-limit', '0')
  expect(await transact(client, 'KEYS x', 'SET b 3', 'KEYS x', 'SET b 4', 'KEYS x')).toEqual([
    [],
    'OK',
    [],
    'OK',
    [],
  ])
  await client.call('CONFIG', 'SET', 'exec-read-time-limit', '300')
  expect(await transact(client, 'KEYS x', 'KEYS x')).toEqual([[], REFUSAL])
})
