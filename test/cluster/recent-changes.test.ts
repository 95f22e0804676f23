import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Change, RecentChanges } from '../../src/cluster/recent-changes.ts'
import { isBelow } from '../../src/store/path.ts'
import { Store } from '../../src/store/store.ts'

const path = fc
  .array(fc.constantFrom('a', 'b', 'aa'), { maxLength: 4 })
  .map((names) => `/${names.join('/')}`)

const isTouched = (key: string, { path, removes }: Change): boolean =>
  key === path || isBelow(path, key) || (removes && isBelow(key, path))

/** How many look-ups in Maps something takes. */
function countReads(run: () => void): number {
  let reads = 0
  const { get } = Map.prototype
  Map.prototype.get = function (key: unknown) {
    reads++
    return get.call(this, key)
  }
  try {
    run()
  } finally {
    Map.prototype.get = get
  }
  return reads
}

test('an EXEC runs if nothing at, below or removed above its keys has changed since it was taken', () => {
  const change = fc.record({ path, removes: fc.boolean() })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 8 }), fc.nat(8), path, (changes, since, key) => {
      const recent = new RecentChanges(new Store())
      recent.restore(changes.length, changes)
      const from = Math.min(since, changes.length)
      expect(recent.touches({ changes: from, keys: [{ path: key, since: 0 }] })).toBe(
        changes.slice(from).some((each) => isTouched(key, each)),
      )
    }),
    { numRuns: 2000 },
  )
})

test('EXECs that were taken together read the changes since then once', () => {
  const store = new Store()
  const recent = new RecentChanges(store)
  for (let i = 0; i < 4000; i++) store.set(`/d/${i}`, '')
  const keys = [{ path: '/e', since: 0 }]
  const reads = countReads(() => {
    for (let i = 0; i < 100; i++) expect(recent.touches({ changes: 0, keys })).toBe(false)
  })
  expect(reads).toBeLessThan(5 * 4000)
  expect(recent.touches({ changes: 100, keys: [{ path: '/d/7', since: 0 }] })).toBe(false)
  expect(recent.touches({ changes: 0, keys: [{ path: '/d/7', since: 0 }] })).toBe(true)
  store.set('/e', '')
  expect(recent.touches({ changes: 0, keys })).toBe(true)
  // Old changes have been forgotten since: whoever depends on them does nothing.
  for (let i = 0; i < 4096; i++) store.set(`/f/${i}`, '')
  expect(recent.touches({ changes: 0, keys })).toBe(true)
  expect(recent.touches({ changes: recent.count, keys })).toBe(false)
})

test('each of many watched keys is compared with no more changes than are on its way', () => {
  const recent = new RecentChanges(new Store())
  const changes = Array.from({ length: 4000 }, (_, i) => ({ path: `/d/${i}`, removes: true }))
  recent.restore(changes.length, changes)
  const keys = Array.from({ length: 4000 }, (_, i) => ({ path: `/e/${i}`, since: 0 }))
  const reads = countReads(() => {
    expect(recent.touches({ changes: 0, keys })).toBe(false)
  })
  expect(reads).toBeLessThan(5 * (keys.length + changes.length))
})

test('an EXEC since which changes at more than 4 MB of paths were made does nothing', () => {
  const store = new Store()
  const recent = new RecentChanges(store)
  const long = 'x'.repeat(10_000)
  for (let i = 0; i < 1000; i++) store.set(`/${long}${i}`, '')
  const bytes = recent.recent.reduce((sum, { path }) => sum + path.length, 0)
  expect(bytes).toBeLessThanOrEqual(4 * 1024 * 1024)
  const runs = (changes: number) => !recent.touches({ changes, keys: [{ path: '/y', since: 0 }] })
  const first = recent.count - recent.recent.length
  expect([runs(0), runs(first - 1), runs(first), runs(recent.count)]).toEqual([
    false,
    false,
    true,
    true,
  ])
  const other = new RecentChanges(new Store())
  other.restore(recent.count, recent.recent)
  expect(other.touches({ changes: first - 1, keys: [] })).toBe(true)
  expect(other.touches({ changes: first, keys: [] })).toBe(false)
})
