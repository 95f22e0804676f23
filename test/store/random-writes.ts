import fc from 'fast-check'
import { PathError, StoreError } from '../../src/store/errors.ts'
import type { Store } from '../../src/store/store.ts'

/** Few components, so that paths meet; one hidden, two of which one begins the other. */
export const names = fc.constantFrom('a', 'ab', '_h', 'b')

export const paths = fc
  .array(names, { minLength: 1, maxLength: 4 })
  .map((parts) => `/${parts.join('/')}`)

export type Write = (store: Store) => void

/** A write that may well fail: that too is a case. */
function attempt(write: Write): Write {
  return (store) => {
    try {
      write(store)
    } catch (error) {
      if (!(error instanceof StoreError || error instanceof PathError)) throw error
    }
  }
}

const kinds: ((path: string, ttl: number | undefined) => Write)[] = [
  (path) => (store) => store.set(path, '1'),
  (path) => (store) => store.createDirectory(path),
  (path) => (store) => store.update(path, ''),
  (path) => (store) => store.delete(path),
  (path) => (store) => store.delete(path, { recursive: true }),
  (path, ttl) => (store) => store.set(path, '2', { expireTime: timeIn(store, ttl) }),
  (path, ttl) => (store) => store.setDirectory(path, { expireTime: timeIn(store, ttl) }),
  (path, ttl) => (store) =>
    store.update(path, '', { expireTime: timeIn(store, ttl), refresh: true }),
]

const moves: typeof kinds = [
  ...['/a', '/b/a', '/ab/_h', '/_h'].map((to) => (path: string) => (store: Store) => {
    store.rename(path, to)
  }),
  () => (store) => store.flush(),
]

const inOrder =
  (path: string): Write =>
  (store) =>
    store.create(path, 'job', { unique: true })

const timeIn = (store: Store, ttl: number | undefined): number | undefined =>
  ttl === undefined ? undefined : store.clock.now() + ttl

const writeOf = (choice: typeof kinds): fc.Arbitrary<Write> =>
  fc
    .tuple(fc.constantFrom(...choice), paths, fc.option(fc.integer({ min: 1, max: 50 })))
    .map(([kind, path, ttl]) =>
      Object.assign(attempt(kind(path, ttl ?? undefined)), {
        // What a failing test shows.
        [fc.toStringMethod]: () => `${kind} with ${path}, ${ttl}`,
      }),
    )

/** A write of any kind, TTLs included; carried out, it throws nothing. */
export const write = writeOf([...kinds, inOrder])

/** The same, and moves, and now and then the end of everything. */
export const writeOrMove = writeOf([...kinds, ...kinds, inOrder, ...moves])

/** {@link write} without in-order keys, whose names are made of the store's index. */
export const writeToGivenPath = writeOf(kinds)

/** What a watcher may ask for. */
export const places = fc.record({
  path: fc.oneof({ weight: 5, arbitrary: paths }, { weight: 1, arbitrary: fc.constant('/') }),
  recursive: fc.boolean(),
})
