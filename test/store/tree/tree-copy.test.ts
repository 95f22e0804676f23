import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import { type NodeExtern, ttlSeconds } from '../../../src/store/event.ts'
import { Store } from '../../../src/store/store.ts'
import { LastCopy } from '../../../src/store/tree/last-copy.ts'
import type { DirectoryNode } from '../../../src/store/tree/node.ts'
import { SlicedSort } from '../../../src/store/tree/sliced-sort.ts'
import { TreeCopy, TreeWalk } from '../../../src/store/tree/tree-copy.ts'
import { paths, write } from '../random-writes.ts'

/** What a walk meets, as `Store.get` has it. */
function externOf(copy: TreeCopy, walk: TreeWalk, now: number): NodeExtern {
  const open: (NodeExtern & { nodes: NodeExtern[] | undefined })[] = []
  for (let step = walk.next(); ; step = walk.next()) {
    if (step === 'sorting') continue
    if (step === 'done') throw new Error('the walk has no end')
    if (step === 'end') {
      const done = open.pop() as NodeExtern
      if (open.length === 0) return done
      continue
    }
    const { position, prefix, name } = walk
    const expiration = copy.expireTime(position)
    const value = copy.values[position]
    const listed = copy.count(position) !== undefined
    const node = {
      key: prefix + name,
      dir: value === undefined,
      value,
      expiration,
      ttl: expiration === undefined ? undefined : ttlSeconds(expiration, now),
      nodes: listed ? [] : undefined,
      modifiedIndex: copy.modifiedIndex(position),
      createdIndex: copy.createdIndex(position),
    }
    open.at(-1)?.nodes?.push(node)
    if (listed) open.push(node)
  }
}

describe('a copy of a directory', () => {
  test('has what `get` has, and goes on to have it whatever is written', () => {
    fc.assert(
      fc.property(
        fc.array(write, { maxLength: 30 }),
        fc.array(write, { maxLength: 30 }),
        fc.oneof(paths, fc.constant('/')),
        fc.boolean(),
        fc.boolean(),
        (before, after, path, recursive, sorted) => {
          const clock = new ManualClock()
          const store = new Store({ clock })
          for (const run of before) run(store)
          clock.advance(10)
          if (store.lookup(path)?.dir !== true) return
          const expected = store.get(path, { recursive, sorted })
          const listing = store.getListing(path, { recursive })
          if (listing === undefined) throw new Error('a directory has no listing')
          const { nodes, now, index } = listing
          clock.advance(25)
          for (const run of after) run(store)
          while (store.reclaim(100));
          const walk = new TreeWalk(nodes, listing.path, sorted)
          expect(externOf(nodes, walk, now)).toEqual(expected.node)
          expect(index).toBe(expected.index)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('of more nodes than files grows', () => {
    const store = new Store()
    for (let i = 0; i < 100; i++) store.createDirectory(`/a/${i}/b/c`)
    const copy = new TreeCopy(store.root)
    expect(copy.length).toBe(302)
    const expected = store.get('/', { recursive: true, sorted: true }).node
    expect(externOf(copy, new TreeWalk(copy, '/', true), 0)).toEqual(expected)
  })

  test('takes references, and little memory of its own', () => {
    const store = new Store()
    const value = 'v'.repeat(100_000)
    for (let i = 0; i < 10_000; i++) store.set(`/some/directory/file ${i}`, value)
    expect(new TreeCopy(store.root).weight).toBeLessThan(100 * 10_000)
  })

  test('of the deepest tree can be walked', () => {
    const store = new Store()
    store.set('/d'.repeat(1024), '1')
    const copy = new TreeCopy(store.root)
    const node = externOf(copy, new TreeWalk(copy, '/', true), 0)
    expect(node).toEqual(store.get('/', { recursive: true, sorted: true }).node)
  })
})

describe('sorting in steps', () => {
  const sorted = (names: readonly string[], first: number, count: number): [string[], number] => {
    const sort = new SlicedSort(names, first, count)
    let steps = 1
    while (!sort.step()) steps++
    expect(sort.step()).toBe(true)
    return [Array.from({ length: count }, (_, i) => names[first + sort.at(i)]), steps]
  }

  test('sorts any part of any names', () => {
    const lengths = fc.oneof(fc.nat({ max: 20 }), fc.constantFrom(511, 512, 513, 1024, 1025, 2600))
    fc.assert(
      fc.property(fc.nat(), lengths, fc.nat({ max: 5 }), (seed, count, first) => {
        const names = Array.from(
          { length: first + count + 2 },
          (_, i) => `${(i * (2 * seed + 1)) % 9973}.${i}`,
        )
        if (count < 2) return
        const expected = names.slice(first, first + count).sort((a, b) => (a < b ? -1 : 1))
        expect(sorted(names, first, count)[0]).toEqual(expected)
      }),
    )
  })

  test('takes steps of bounded length', () => {
    const names = Array.from({ length: 100_000 }, (_, i) => `name ${(i * 7919) % 100_003}`)
    const [, steps] = sorted(names, 0, names.length)
    // 196 runs, then 8 passes of 13 steps.
    expect(steps).toBe(196 + 8 * 13)
  })
})

test('a copy of some children makes no room for all that is below them', () => {
  const store = new Store({ clock: new ManualClock() })
  for (let i = 0; i < 5000; i++) store.set(`/large/${i}`, '')
  for (let i = 0; i < 10; i++) store.set(`/${i}`, '')
  let room = 0
  const counted = class extends Float64Array {
    constructor(length: number) {
      super(length)
      room += length
    }
  }
  vi.stubGlobal('Float64Array', counted)
  store.getListing('/', { recursive: false })
  vi.unstubAllGlobals()
  expect(room).toBeGreaterThan(0)
  expect(room).toBeLessThan(100)
})

test('those who copy a whole store that has not changed share the copy, and the order of long directories', () => {
  const store = new Store()
  for (let i = 0; i < 2000; i++) store.set(`/d/${(i * 7919) % 2000}`, '')
  const last = new LastCopy()
  const whole = () => last.whole(store.root, store.index)
  const copy = whole()
  expect(whole()).toBe(copy)
  expect(copy.orderOf(1)).toBe(copy.orderOf(1))
  store.set('/d/0', '1')
  expect(whole()).not.toBe(copy)
  const { index } = store
  store.recovery(store.save())
  expect(store.index).toBe(index)
  expect(whole().values[1]).toBeUndefined()
  expect(whole().length).toBe(copy.length)
})

test('those who list the same share a copy until the first of its nodes expires', () => {
  const store = new Store()
  for (const [name, expireTime] of [
    ['a', undefined],
    ['b', 2000],
    ['c', 3000],
  ] as const) {
    store.set(`/d/${name}`, '', { expireTime })
  }
  const top = store.lookup('/d') as DirectoryNode
  const last = new LastCopy()
  const at = (now: number) => last.of(top, { recursive: true, now }, store.index)
  const copy = at(1000)
  expect(copy.length).toBe(4)
  expect(at(1999)).toBe(copy)
  const later = at(2000)
  expect(later.length).toBe(3)
  expect(at(2999)).toBe(later)
  // The clock has been set back.
  expect(at(1500).length).toBe(4)
  expect(at(Number.MAX_SAFE_INTEGER).length).toBe(2)
})
