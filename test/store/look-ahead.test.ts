import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { LookAhead } from '../../src/store/look-ahead.ts'
import { Store } from '../../src/store/store.ts'

/** Names that meet, odd ones among them. */
const name = fc.constantFrom('', '.', '..', 'a', 'b', 'c', '_h', 'long'.repeat(80), '\xff\x00')
const path = fc
  .tuple(fc.boolean(), fc.array(name, { maxLength: 5 }))
  .map(([absolute, names]) => (absolute ? '/' : '') + names.join('/'))
const request = fc.oneof(
  fc.tuple(fc.constant('GET'), path),
  fc.array(fc.oneof(path, fc.string({ unit: 'binary-ascii' })), { minLength: 1, maxLength: 4 }),
)

test('whatever is about to be looked up, looking ahead changes and throws nothing', () => {
  fc.assert(
    fc.property(
      fc.array(path, { maxLength: 40 }),
      fc.array(request, { maxLength: 150 }),
      (paths, requests) => {
        const store = new Store()
        for (const each of paths) {
          try {
            store.set(each, 'x')
          } catch {
            // A directory stands there, or a file stands in the way.
          }
        }
        const before = store.save()
        new LookAhead().follow(store.root, requests)
        expect(store.save()).toBe(before)
      },
    ),
  )
})

test('what has been looked up ahead is what is there when it is asked for', () => {
  // Few names and levels, so that what is looked up is often made, replaced and removed before.
  const few = fc
    .array(fc.constantFrom('a', 'b', 'c', '..', ''), { minLength: 1, maxLength: 3 })
    .map((names) => `/${names.join('/')}`)
  const many = Array.from({ length: 20 }, (_, i) => `/a/n${i}`)
  const change = fc.constantFrom<(store: Store, path: string, other: string) => unknown>(
    (store, path) => store.lookup(path),
    (store, path) => store.set(path, 'y'),
    (store, path) => store.setFile(path, 'z'),
    (store, path) => store.delete(path, { recursive: true }),
    (store, path) => store.setDirectory(path),
    (store, path, other) => store.rename(path, other),
    (store, path) => store.update(path, '', { expireTime: store.clock.now() + 1 }),
    (store) => store.flush(),
    (store) => store.recovery(store.save()),
    (store) => (store.clock as ManualClock).advance(1),
  )
  fc.assert(
    fc.property(
      fc.array(few, { maxLength: 10 }),
      fc.array(fc.tuple(change, few, few), { minLength: 1, maxLength: 12 }),
      (made, changes) => {
        const store = new Store({ clock: new ManualClock() })
        const attempt = (action: () => unknown): void => {
          try {
            action()
          } catch {
            // A directory stands there, or a file stands in the way: also what may happen.
          }
        }
        for (const path of [...made, ...many]) attempt(() => store.set(path, path))
        const requests = changes.map(([, path]) => ['GET', path])
        store.lookAhead(requests, 0)
        for (const [run, path, other] of changes) {
          const found = store.lookup(path)
          expect(found).toBe(store.lookup(`/.${path}`))
          attempt(() => run(store, path, other))
        }
      },
    ),
    { numRuns: 2000 },
  )
})
