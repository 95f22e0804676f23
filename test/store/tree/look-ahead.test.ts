import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import { Store } from '../../../src/store/store.ts'
import { LookAhead, type PathBatch } from '../../../src/store/tree/look-ahead.ts'
import type { Node } from '../../../src/store/tree/node.ts'

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
        new LookAhead().follow(store.root, batchOf(requests))
        expect(store.save()).toBe(before)
      },
    ),
  )
})

/** So many requests come at once, with changes in between. */
const BATCH = 5

/** Requests as they come from a client, one after the other. */
function batchOf(requests: readonly (readonly string[])[]): PathBatch {
  const bounds: number[] = []
  let bytes = ''
  for (const [name = '', path = ''] of requests) {
    bounds.push(bytes.length + name.length, bytes.length + name.length + path.length)
    bytes += name + path
  }
  return {
    count: requests.length,
    bytes: Buffer.from(bytes, 'latin1'),
    requests,
    bounds: Int32Array.from(bounds),
  }
}

/** The node at a path, step by step. */
function walk(store: Store, path: string): Node | undefined {
  let node: Node | undefined = store.root
  for (const name of path.split('/').filter((each) => each !== '')) {
    node = node?.dir ? node.children.get(name) : undefined
    if (node !== undefined && !store.isVisible(node, store.clock.now())) return undefined
  }
  return node
}

test('what has been looked up ahead is what is there when it is asked for', () => {
  // More than a removal clears away in passing, so that what it leaves looks as it did.
  const made = ['/a', '/b', '/b/c'].flatMap((above) =>
    Array.from({ length: 100 }, (_, i) => `${above}/${i}`),
  )
  const path = fc.constantFrom(
    ...[
      '/a/1',
      '/a/2',
      '/b/1',
      '/b/c/1',
      '/b/c/2',
      'b/c/3',
      '/a',
      '/b',
      '/b/c',
      '/x',
      '/b/',
      '/b//c/1',
    ],
  )
  const change = fc.constantFrom<(store: Store, path: string, other: string) => unknown>(
    () => {},
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
    fc.property(fc.array(fc.tuple(path, change, path, path), { maxLength: 16 }), (steps) => {
      const store = new Store({ clock: new ManualClock() })
      for (const each of made) store.set(each, each)
      for (const [i, [asked, run, path, other]] of steps.entries()) {
        if (i % BATCH === 0) {
          const batch = steps.slice(i, i + BATCH)
          store.lookAhead(batchOf(batch.map(([asked]) => ['GET', asked])), 0)
        }
        expect(store.lookup(asked)).toBe(walk(store, asked))
        try {
          run(store, path, other)
        } catch {
          // A directory stands there, or a file stands in the way: also what may happen.
        }
      }
    }),
    { numRuns: 1000 },
  )
})
