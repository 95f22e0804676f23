import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import { Store } from '../../../src/store/store.ts'
import { Children } from '../../../src/store/tree/children.ts'
import { LastMiss } from '../../../src/store/tree/last-miss.ts'
import { expectAlike, step } from './long-store.ts'

afterEach(() => vi.restoreAllMocks())

/** A store that begins each walk at the root. */
function plainStore(): Store {
  const { isOf } = LastMiss.prototype
  let walks = false
  vi.spyOn(LastMiss.prototype, 'isOf').mockImplementation(function (this: LastMiss, path) {
    return !walks && isOf.call(this, path)
  })
  return new Proxy(new Store({ clock: new ManualClock() }), {
    get(store, name) {
      const field: unknown = Reflect.get(store, name, store)
      if (typeof field !== 'function') return field
      return (...args: unknown[]) => {
        walks = true
        try {
          return field.apply(store, args)
        } finally {
          walks = false
        }
      }
    },
  })
}

test('a walk that goes on where another one ended leads where one from the root does', {
  timeout: 60_000,
}, () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const plain = plainStore()
      expectAlike([plain, new Store({ clock: new ManualClock() })], steps)
      vi.restoreAllMocks()
    }),
    { numRuns: 300 },
  )
})

describe('making a file in a directory that is there', () => {
  const LEVELS = 20

  test.each([
    ['short', 1],
    ['long', 100],
  ])('looks for each name on a way of %s names once', (_, bytes) => {
    const directory = Array.from({ length: LEVELS }, (_, i) => `${i}`.padStart(bytes, 'd')).join(
      '/',
    )
    const store = new Store()
    store.set(`${directory}/a`, '')
    const find = vi.spyOn(Children.prototype, 'find')
    store.setFile(`${directory}/b`, '')
    expect(find.mock.calls.length).toBeLessThanOrEqual(LEVELS + 1)
  })
})

test('a directory that is removed is not kept for the next walk', () => {
  const note = vi.spyOn(LastMiss.prototype, 'note')
  const store = new Store()
  store.set('/d/f', '')
  expect(store.getFile('/d/x')).toBeUndefined()
  const miss = note.mock.contexts.at(-1)
  expect(miss).toMatchObject({ directory: store.lookup('/d') })
  store.delete('/d', { recursive: true })
  expect(miss).toMatchObject({ directory: undefined })
})

test.each([
  ['before', true],
  ['after', false],
])('the missing path is that of a directory that expires, if it got its TTL %s', (_, isBefore) => {
  const clock = new ManualClock()
  const store = new Store({ clock })
  const lease = (): unknown => store.update('/d', '', { expireTime: clock.now() + 2 })
  const missing = (): void => void store.get('/d/x')
  store.set('/d/f', '')
  if (isBefore) lease()
  expect(store.getFile('/d/x')).toBeUndefined()
  expect(missing).toThrow(expect.objectContaining({ cause: '/d/x' }))
  if (!isBefore) {
    expect(store.getFile('/d/x')).toBeUndefined()
    lease()
  }
  clock.advance(3)
  expect(missing).toThrow(expect.objectContaining({ cause: '/d' }))
})
