import fc from 'fast-check'
import { expect } from 'vitest'
import type { ManualClock } from '../../../src/store/clock.ts'
import { PathError, StoreError } from '../../../src/store/errors.ts'
import { Store, type StoreOptions } from '../../../src/store/store.ts'
import { paths, writeOrMove } from '../random-writes.ts'

/** Removes what {@link LongStore} adds to names. */
const short = (text: string): string => text.replace(/-+/g, '')

/** A store whose clients name all nodes by paths whose names are longer. */
export class LongStore extends Store {
  readonly #pad: string

  /** @param bytes how many each name has more */
  constructor(options: StoreOptions, bytes: number) {
    super(options)
    this.#pad = '-'.repeat(bytes)
  }

  #long(path: string): string {
    return path.replace(/[^/.]+/g, (name) => name + this.#pad)
  }

  override set(path: string, ...rest: [string, object?]) {
    return super.set(this.#long(path), ...rest)
  }
  override setFile(path: string, value: string) {
    return super.setFile(this.#long(path), value)
  }
  override setDirectory(path: string, options?: object) {
    return super.setDirectory(this.#long(path), options)
  }
  override create(path: string, ...rest: [string, object?]) {
    return super.create(this.#long(path), ...rest)
  }
  override createDirectory(path: string, options?: object) {
    return super.createDirectory(this.#long(path), options)
  }
  override update(path: string, ...rest: [string, object?]) {
    return super.update(this.#long(path), ...rest)
  }
  override delete(path: string, options?: object) {
    return super.delete(this.#long(path), options)
  }
  override rename(from: string, to: string) {
    super.rename(this.#long(from), this.#long(to))
  }
  override lookup(path: string) {
    return super.lookup(this.#long(path))
  }
  override getFile(path: string) {
    return super.getFile(this.#long(path))
  }
  override get(path: string) {
    return super.get(this.#long(path))
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

type Step = ReturnType<typeof step.generate>['value']

/** Has stores take the same steps, and expects that they answer alike. They have clocks that a test can move. */
export function expectAlike(stores: readonly Store[], steps: readonly Step[]): void {
  // A way to lose from the beginning.
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
}

export const step = fc.record({
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
