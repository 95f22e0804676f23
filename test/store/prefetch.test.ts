import fc from 'fast-check'
import { expect, test } from 'vitest'
import { prefetch } from '../../src/store/prefetch.ts'
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

test('whatever is about to be looked up, prefetching it changes and throws nothing', () => {
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
        prefetch(store.root, requests)
        expect(store.save()).toBe(before)
      },
    ),
  )
})
