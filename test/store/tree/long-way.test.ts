import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import { Store } from '../../../src/store/store.ts'
import { Children } from '../../../src/store/tree/children.ts'
import { expectAlike, LongStore, step } from './long-store.ts'

test('long paths lead where short ones do, whatever changes', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const stores = [
        new Store({ clock: new ManualClock() }),
        // Two directories make a long path.
        new LongStore({ clock: new ManualClock() }, 150),
      ]
      expectAlike(stores, steps)
    }),
    { numRuns: 300 },
  )
})

describe('walks to a path of 1,000 levels', () => {
  const LEVELS = 1000
  const ROUNDS = 100
  const directory = Array.from({ length: LEVELS }, () => 'a').join('/')
  const key = `${directory}/k`

  afterEach(() => vi.restoreAllMocks())

  /** How many nodes are looked for while something is done 100 times, each node of the way once at most. */
  function looksOf(run: (store: Store, round: number) => void, store = new Store()): number {
    store.set(key, '1')
    const find = vi.spyOn(Children.prototype, 'find')
    for (let i = 0; i < ROUNDS; i++) run(store, i)
    return find.mock.calls.length
  }

  const soon = (store: Store): number => store.clock.now() + 1e6

  test.each<[string, (store: Store, round: number) => void]>([
    ['lookup', (store) => store.lookup(key)],
    ['getFile', (store) => store.getFile(key)],
    ['get', (store) => store.get(`/${key}`)],
    ['setFile', (store) => store.setFile(key, '2')],
    ['set with a TTL', (store) => store.set(key, '2', { expireTime: soon(store) })],
    ['update', (store) => store.update(`/${key}`, '2')],
    ['checkSet', (store) => store.checkSet(key)],
    ['a lookup of a missing file', (store) => store.lookup(`${directory}/none`)],
    ['create in order', (store) => store.create(directory, '2', { unique: true })],
    [
      'create and delete',
      (store) => {
        store.create(`${directory}/x`, '2')
        store.delete(`${directory}/x`)
      },
    ],
    ['a TTL of the directory', (store) => store.update(directory, '', { expireTime: soon(store) })],
  ])('%s goes the way but once or twice', (_, run) => {
    expect(looksOf(run)).toBeLessThan(2 * LEVELS + 10 * ROUNDS)
  })

  test('a file whose name alone is long is a permanent one, too', () => {
    const store = new Store()
    const path = `/a/b/${'k'.repeat(1000)}`
    store.set(path, '1')
    expect(store.getFile(path)?.value).toBe('1')
    expect(store.getFile(path.slice(1))?.value).toBe('1')
  })

  test('so it is where directories on the way have TTLs', () => {
    const store = new Store()
    store.set(key, '1')
    store.update('/a', '', { expireTime: soon(store) })
    store.update(directory, '', { expireTime: soon(store) })
    const looks = looksOf(() => {
      store.lookup(key)
      store.setFile(key, '2')
      store.get(key)
    }, store)
    expect(looks).toBeLessThan(2 * LEVELS + 10 * ROUNDS)
  })
})
