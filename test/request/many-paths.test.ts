import { afterEach, expect, test, vi } from 'vitest'
import { Applier } from '../../src/log/apply.ts'
import { ServerClock } from '../../src/request/clock.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { PathTree } from '../../src/store/path-tree.ts'
import { Store } from '../../src/store/store.ts'
import { LongWay } from '../../src/store/tree/long-way.ts'
import { ErrorReply, frame, join, start } from '../server/raw-client.ts'

const KEYS = 10_000
const DIRECTORIES = 250
const LEVELS = 40
const KEYS_PER_REQUEST = 400

const keys = Array.from(
  { length: KEYS },
  (_, i) => `c${i % DIRECTORIES}/${'d/'.repeat(LEVELS - 1)}${i}`,
)
const pairs = keys.flatMap((key) => [key, 'v'])

afterEach(() => vi.restoreAllMocks())

/** The ways of the only store that is used. */
function wayOf(store: Store): LongWay {
  const enter = vi.spyOn(LongWay.prototype, 'enter')
  store.lookup('x'.repeat(300))
  const [way] = enter.mock.contexts
  enter.mockRestore()
  return way as LongWay
}

test('requests that name many keys in a few deep directories walk to each directory once', async () => {
  const server = await start()
  const client = await join(server)
  const way = wayOf(server.store)
  const pieces = Array.from({ length: KEYS / KEYS_PER_REQUEST }, (_, i) =>
    keys.slice(i * KEYS_PER_REQUEST, (i + 1) * KEYS_PER_REQUEST),
  )
  const requests: [string, string[][]][] = [
    ['MSET of new keys', [['MSET', ...pairs]]],
    ['MSET', [['MSET', ...pairs]]],
    ['MSETNX', [['MSETNX', ...pairs]]],
    ['EXISTS', [['EXISTS', ...keys]]],
    ['TOUCH', [['TOUCH', ...keys]]],
    ['MGET', [['MGET', ...keys]]],
    ['EXEC', [['MULTI'], ...keys.map((key) => ['SET', key, 'v']), ['EXEC']]],
    ['EXEC of DELs', [['MULTI'], ...pieces.map((piece) => ['DEL', ...piece]), ['EXEC']]],
    ['MSETNX of new keys', [['MSETNX', ...pairs]]],
    ['DEL', [['DEL', ...keys]]],
    ['MSET of keys in empty directories', [['MSET', ...pairs]]],
    ['UNLINK', [['UNLINK', ...keys]]],
  ]
  const looks: Record<string, number> = {}
  for (const [name, sent] of requests) {
    const before = way.looks
    client.write(sent.map((args) => frame(...args)).join(''))
    await client.take(sent.length)
    looks[name] = way.looks - before
  }
  const { 'MSET of new keys': ofNew, ...others } = looks
  // Each of them is looked for twice where there is no directory yet.
  expect(ofNew).toBeLessThan(3 * KEYS + DIRECTORIES * LEVELS)
  for (const count of Object.values(others)) {
    expect(count).toBeGreaterThan(0)
    expect(count).toBeLessThan(KEYS + DIRECTORIES * LEVELS)
  }
  expect(await client.call('EXISTS', ...keys)).toBe(0)
})

test('so does a log that runs them again', () => {
  const store = new Store({ clock: new ServerClock(new ManualClock()) })
  const applier = new Applier(store)
  const way = wayOf(store)
  applier.apply({ kind: 'requests', time: 1, requests: [['MSET', ...pairs]] })
  const sets = keys.map((key) => ['SET', key, 'w'] as [string, ...string[]])
  for (const run of [
    () => applier.apply({ kind: 'requests', time: 1, requests: sets }),
    () => applier.applyTransaction({ time: 1, requests: sets }),
  ]) {
    const before = way.looks
    run()
    expect(way.looks - before).toBeGreaterThan(0)
    expect(way.looks - before).toBeLessThan(KEYS + DIRECTORIES * LEVELS)
  }
  expect(store.index).toBe(3 * KEYS)
})

test('MSET of files that are all there does not ask again where they lie', async () => {
  const client = await join(await start())
  const at = vi.spyOn(PathTree.prototype, 'at')
  const before = ['a/b/c', 'a/b/d/e', 'f'].flatMap((key) => [key, '1'])
  expect(await client.call('MSET', ...before)).toBe('OK')
  expect(at).toHaveBeenCalled()
  at.mockClear()
  expect(await client.call('MSET', ...before)).toBe('OK')
  expect(at).not.toHaveBeenCalled()
  const refused = await client.call('MSET', ...before, 'g', '1', 'g/h', '2')
  expect(refused).toBeInstanceOf(ErrorReply)
  expect(await client.call('EXISTS', 'g')).toBe(0)
})
