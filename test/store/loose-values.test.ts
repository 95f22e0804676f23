import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { looseValues, NEVER, References } from '../../src/store/loose-values.ts'
import { Store } from '../../src/store/store.ts'
import { TreeCopy, TreeWalk } from '../../src/store/tree/tree-copy.ts'
import { write } from './random-writes.ts'

/** The bytes of the values of a copy that no file of the tree has at their path. */
function missingIn(store: Store, copy: TreeCopy): number {
  let bytes = 0
  const walk = new TreeWalk(copy, '/', false)
  for (let step = walk.next(); step !== 'done'; step = walk.next()) {
    if (step !== 'node') continue
    const value = copy.values[walk.position]
    const node = store.lookup(walk.prefix + walk.name)
    if (value !== undefined && (node === undefined || node.dir || node.value !== value)) {
      bytes += value.length
    }
  }
  return bytes
}

test('no more values are missing in the tree than have been counted, whatever is written', () => {
  fc.assert(
    fc.property(
      fc.array(write, { maxLength: 30 }),
      fc.array(write, { maxLength: 30 }),
      fc.constantFrom('', 'recovers', 'flushes'),
      (before, after, end) => {
        const clock = new ManualClock()
        const store = new Store({ clock })
        for (const run of before) run(store)
        const copy = new TreeCopy(store.root)
        const { mark } = looseValues
        const saved = store.save()
        for (const run of after) run(store)
        if (end === 'flushes') store.flush()
        if (end === 'recovers') store.recovery(saved.replaceAll('"Value":"1"', '"Value":"3"'))
        clock.advance(60)
        store.deleteExpiredKeys(clock.now())
        while (store.reclaim(100));
        expect(missingIn(store, copy)).toBeLessThanOrEqual(looseValues.since(mark))
      },
    ),
    { numRuns: 500 },
  )
})

test('values that stay, and those that come, are not counted', () => {
  const store = new Store()
  const { mark } = looseValues
  for (let i = 0; i < 100; i++) store.set(`/a/${i}`, 'x'.repeat(1000))
  for (let i = 0; i < 100; i++) store.update(`/a/${i}`, '', { expireTime: 1e13, refresh: true })
  store.rename('/a', '/b')
  expect(looseValues.since(mark)).toBe(0)
  store.set('/b/1', '')
  expect(looseValues.since(mark)).toBe(1000)
  expect(looseValues.since(looseValues.mark)).toBe(0)
  expect(looseValues.since(NEVER)).toBe(0)
  store.flush()
  expect(looseValues.since(mark)).toBe(Number.POSITIVE_INFINITY)
  expect(looseValues.since(looseValues.mark)).toBe(0)
})

test('references are counted when they are asked for, and once', () => {
  const values = [null, 'four', Buffer.alloc(100)]
  const references = new References(['a', 'bc'], values, [undefined])
  values.push('five!')
  expect([references.all, references.heap]).toEqual([112, 12])
  values.length = 0
  expect([references.all, references.heap]).toEqual([112, 12])
})
