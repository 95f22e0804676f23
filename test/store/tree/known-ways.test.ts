import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import { Store } from '../../../src/store/store.ts'
import { KnownWays } from '../../../src/store/tree/known-ways.ts'
import { DirectoryNode } from '../../../src/store/tree/node.ts'
import { expectAlike, LongStore, step } from './long-store.ts'
import { looksOf } from './looks.ts'

afterEach(() => vi.restoreAllMocks())

test.each([
  ['short', 12],
  ['long', 150],
])(
  'remembered ways to %s directories lead where walks do, whatever changes',
  { timeout: 60_000 },
  (_, bytes) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const plain = new Store({ clock: new ManualClock() })
        const knowing = new LongStore({ clock: new ManualClock() }, bytes)
        knowing.withManyPaths(() => expectAlike([plain, knowing], steps))
      }),
      { numRuns: 300 },
    )
  },
)

const LEVELS = 50
const deep = (name: string): string => `${name}/${'d/'.repeat(LEVELS - 1)}`

describe('a request with many paths', () => {
  const COUNT = 1000
  const DIRECTORIES = 20
  const keys = Array.from({ length: COUNT }, (_, i) => `${deep(`c${i % DIRECTORIES}`)}${i}`)

  function filled(): Store {
    const store = new Store()
    for (const key of keys) store.set(key, '1')
    return store
  }

  test('walks to each directory once', () => {
    const store = filled()
    const read = (): void => {
      for (const key of keys) store.lookup(key)
    }
    expect(looksOf(read)).toBe(COUNT * (LEVELS + 1))
    expect(looksOf(() => store.withManyPaths(read))).toBe(COUNT + DIRECTORIES * LEVELS)
    // Forgotten when it has ended.
    expect(looksOf(read)).toBe(COUNT * (LEVELS + 1))
    expect(looksOf(() => store.withManyPaths(read))).toBe(COUNT + DIRECTORIES * LEVELS)
  })

  test('forgets the ways when it fails, and not before the outer one has ended', () => {
    const store = filled()
    const fail = (): void => {
      throw new Error('fails')
    }
    const inner = (): void => {
      expect(() => store.withManyPaths(fail)).toThrow('fails')
      store.lookup(keys[0])
    }
    const twice = (): void =>
      store.withManyPaths(() => {
        inner()
        inner()
      })
    expect(looksOf(twice)).toBe(LEVELS + 2)
    expect(() => store.withManyPaths(fail)).toThrow('fails')
    expect(looksOf(() => store.lookup(keys[0]))).toBe(LEVELS + 1)
  })

  test('takes no more looks when every second write removes a directory', () => {
    const removing = (store: Store): void => {
      for (const [i, key] of keys.entries()) {
        store.setDirectory(`x/${i}`)
        store.setFile(key, '2')
        store.delete(`x/${i}`, { dir: true })
      }
    }
    const plain = filled()
    const knowing = filled()
    const expected = looksOf(() => removing(plain))
    expect(looksOf(() => knowing.withManyPaths(() => removing(knowing)))).toBeLessThanOrEqual(
      expected,
    )
  })

  test('remembers ways where directories have leases, until the first one ends', () => {
    const clock = new ManualClock()
    const store = new Store({ clock })
    const key = `${deep('c')}k`
    store.set(key, '1')
    store.update('c/d', '', { expireTime: clock.now() + 10 })
    store.update('c/d/d', '', { expireTime: clock.now() + 5 })
    store.withManyPaths(() => {
      expect(store.lookup(key)).toBeDefined()
      expect(store.getFile(key)).toBeUndefined()
      expect(looksOf(() => store.lookup(key))).toBe(1)
      clock.advance(5)
      expect(store.lookup(key)).toBeUndefined()
    })
  })
})

test('the ways that are remembered take a bounded amount of memory', () => {
  const ways = new KnownWays()
  const directory = new DirectoryNode('d', null, 0)
  const way = { directory, ends: Number.POSITIVE_INFINITY }
  const text = (i: number): string => String(i).padStart(8, '-')
  const path = '-'.repeat(10_000)
  for (let i = 0; i < 10_000; i++) ways.add(text(i), path, way)
  expect(ways.find(text(3000))).toBe(way)
  expect(ways.find(text(3400))).toBeUndefined()
  ways.clear()
  expect(ways.find(text(3000))).toBeUndefined()
  ways.add(text(3400), path, way)
  expect(ways.find(text(3400))).toBe(way)
})
