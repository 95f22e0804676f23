import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import { PathError, StoreError } from '../../../src/store/errors.ts'
import { Store } from '../../../src/store/store.ts'
import { Children } from '../../../src/store/tree/children.ts'
import { paths, writeOrMove } from '../random-writes.ts'

const PAD = '-'.repeat(150)

/** The same path with long names. */
const long = (path: string): string => path.replace(/[^/.]+/g, (name) => name + PAD)

const short = (text: string): string => text.replaceAll(PAD, '')

/** A store whose clients name all nodes by {@link long} paths: two directories make a long one. */
class LongStore extends Store {
  override set(path: string, ...rest: [string, object?]) {
    return super.set(long(path), ...rest)
  }
  override setFile(path: string, value: string) {
    return super.setFile(long(path), value)
  }
  override setDirectory(path: string, options?: object) {
    return super.setDirectory(long(path), options)
  }
  override create(path: string, ...rest: [string, object?]) {
    return super.create(long(path), ...rest)
  }
  override createDirectory(path: string, options?: object) {
    return super.createDirectory(long(path), options)
  }
  override update(path: string, ...rest: [string, object?]) {
    return super.update(long(path), ...rest)
  }
  override delete(path: string, options?: object) {
    return super.delete(long(path), options)
  }
  override rename(from: string, to: string) {
    super.rename(long(from), long(to))
  }
  override lookup(path: string) {
    return super.lookup(long(path))
  }
  override getFile(path: string) {
    return super.getFile(long(path))
  }
  override get(path: string) {
    return super.get(long(path))
  }
}

/** All that a store says of a path. */
function answers(store: Store, path: string): string {
  const node = store.lookup(path)
  let event: unknown
  try {
    event = store.get(path)
  } catch (error) {
    event = [String(error), { ...(error as object) }]
  }
  const file = store.getFile(path)
  // Where a directory has or had a TTL, `getFile` may leave the answer to `get`.
  const isSame = file === undefined || file === node
  return short(JSON.stringify([node?.dir, node?.modifiedIndex, node?.createdIndex, isSame, event]))
}

/** Without the number of reads, which `getFile` counts only if it has the answer. */
const savedIn = (store: Store): string => short(store.save()).replace(/"getsSuccess":\d+/, '')

/** Few, so that what is changed is mostly on the way to what is asked for next. */
const near = fc.constantFrom('/a', '/a/b', '/a/b/a', '/a/b/a/b', '/a/b/a/ab', '/b', '/b/b/a')

const change = fc.constantFrom<(store: Store, path: string, other: string) => unknown>(
  (store, path) => store.set(path, '1'),
  (store, path) => store.setFile(path, '2'),
  (store, path) => store.setFile(`${path}/b`, '3'),
  (store, path) => store.setFile(`${path}/b/a/b`, '3'),
  (store, path) => store.delete(path, { recursive: true }),
  (store, path, other) => store.rename(path, other),
  (store, path) => store.update(path, '', { expireTime: store.clock.now() + 2 }),
  (store, path) => store.update(path, '', { expireTime: store.clock.now() + 5 }),
  (store, path) => store.update(path, ''),
  (store) => store.deleteExpiredKeys(store.clock.now()),
  (store) => store.flush(),
  (store) => store.recovery(store.save()),
)

const nearWrite = fc.tuple(change, near, near).map(([run, path, other]) =>
  Object.assign(
    (store: Store) => {
      try {
        run(store, path, other)
      } catch (error) {
        if (!(error instanceof StoreError || error instanceof PathError)) throw error
      }
    },
    { [fc.toStringMethod]: () => `${run} with ${path}, ${other}` },
  ),
)

const step = fc.record({
  write: fc.oneof({ weight: 3, arbitrary: nearWrite }, { weight: 1, arbitrary: writeOrMove }),
  asked: fc.array(
    fc
      .tuple(
        fc.oneof({ weight: 3, arbitrary: near }, { weight: 1, arbitrary: paths }),
        fc.constantFrom('', '', '', '/', '/.', '/x', '/b', '/a/../'),
        fc.boolean(),
      )
      .map(([path, end, slash]) => (slash ? path : path.slice(1)) + end),
    { minLength: 1, maxLength: 3 },
  ),
  passes: fc.constantFrom(0, 0, 0, 1, 3),
})

test('long paths lead where short ones do, whatever changes', { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const stores = [Store, LongStore].map((Kind) => new Kind({ clock: new ManualClock() }))
      // A long way to lose from the beginning.
      for (const store of stores) store.set('/a/b/a/b', '0')
      for (const { write, asked, passes } of steps) {
        for (const store of stores) {
          write(store)
          ;(store.clock as ManualClock).advance(passes)
        }
        for (const path of asked) {
          const [expected, found] = stores.map((store) => answers(store, path))
          expect(found).toBe(expected)
        }
      }
      const [expected, found] = stores.map(savedIn)
      expect(found).toBe(expected)
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
