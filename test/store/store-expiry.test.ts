import fc from 'fast-check'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import type { Event, NodeExtern } from '../../src/store/event.ts'
import { Store } from '../../src/store/store.ts'
import { TtlHeap } from '../../src/store/tree/ttl-heap.ts'
import { writeToGivenPath } from './random-writes.ts'

let clock: ManualClock
let store: Store

beforeEach(() => {
  clock = new ManualClock()
  store = new Store({ clock })
})

const inMs = (ms: number) => ({ expireTime: clock.now() + ms })
const sweep = (limit?: number): number => store.deleteExpiredKeys(clock.now(), limit)
const expired = (): string[] =>
  [...store.history].filter(({ action }) => action === 'expire').map(({ node }) => node.key)

describe('before a sweep', () => {
  beforeEach(() => {
    store.set('/file', 'x', inMs(10))
    store.setDirectory('/directory', inMs(10))
    store.set('/directory/below', 'x')
    store.set('/other/file', 'x', inMs(10))
    clock.advance(10)
  })

  test('nothing overdue is visible', () => {
    expect(() => store.get('/file')).toThrow('Key not found (/file)')
    expect(() => store.get('/directory')).toThrow('Key not found (/directory)')
    expect(() => store.get('/directory/below')).toThrow('Key not found (/directory)')
    expect(store.get('/', { recursive: true }).node.nodes).toMatchObject([
      { key: '/other', nodes: [] },
    ])
    expect(store.index).toBe(4)
  })

  test('nothing overdue can be changed', () => {
    expect(() => store.update('/file', 'y')).toThrow('Key not found (/file)')
    expect(() => store.set('/file', '', { ...inMs(10), refresh: true })).toThrow('Key not found')
    expect(() => store.compareAndSwap('/file', { prevValue: 'x' }, 'y')).toThrow('Key not found')
    expect(() => store.compareAndDelete('/file', { prevValue: 'x' })).toThrow('Key not found')
    expect(() => store.delete('/directory', { recursive: true })).toThrow('Key not found')
    expect(store.index).toBe(4)
  })

  test('a write takes its place, after it has expired with an event of its own', () => {
    expect(store.create('/file', 'new')).toMatchObject({ index: 6, prevNode: undefined })
    expect(store.set('/directory/below', 'new')).toMatchObject({
      index: 8,
      prevNode: undefined,
      node: { createdIndex: 8 },
    })
    expect(store.get('/directory').node.createdIndex).toBe(8)
    expect([...store.history].map(({ action, node, index }) => [action, node.key, index])).toEqual([
      ['set', '/file', 1],
      ['set', '/directory', 2],
      ['set', '/directory/below', 3],
      ['set', '/other/file', 4],
      ['expire', '/file', 5],
      ['create', '/file', 6],
      ['expire', '/directory', 7],
      ['set', '/directory/below', 8],
    ])
    expect(store.stats.expireCount).toBe(2)
    expect(sweep()).toBe(1)
  })

  test('a file that is overdue is no obstacle on the way', () => {
    expect(store.set('/file/below', 'x').index).toBe(6)
    expect(expired()).toEqual(['/file'])
  })

  test('an in-order key is made of the index after the expiry', () => {
    expect(store.create('/directory', 'x', { unique: true })).toMatchObject({
      index: 6,
      node: { key: '/directory/00000000000000000006', createdIndex: 6 },
    })
    expect(expired()).toEqual(['/directory'])
  })

  test('a directory counts as empty when all in it is overdue', () => {
    store.delete('/other', { dir: true })
    expect(expired()).toEqual(['/other/file'])
    expect(store.index).toBe(6)
  })

  test('a directory is not empty while something in it is not', () => {
    store.set('/other/more', 'x')
    expect(() => store.delete('/other', { dir: true })).toThrow('Directory not empty (/other)')
  })
})

describe('deleteExpiredKeys', () => {
  test('expires what is due, oldest first, each with an event and an index of its own', () => {
    store.set('/c', '3', inMs(30))
    store.set('/a', '1', inMs(10))
    store.set('/b', '2', inMs(20))
    store.set('/b2', '2', inMs(20))
    store.set('/later', '4', inMs(31))
    const seen: Event[] = []
    store.watch('/', { recursive: true, stream: true }, (event) => seen.push(event))
    clock.advance(30)
    expect(sweep()).toBe(4)
    expect(seen.map(({ node, index }) => [node.key, index])).toEqual([
      ['/a', 6],
      ['/b', 7],
      ['/b2', 8],
      ['/c', 9],
    ])
    expect(seen[0]).toEqual({
      action: 'expire',
      node: {
        ...seen[0].node,
        ...{ key: '/a', dir: false, value: undefined, expiration: undefined },
        ...{ modifiedIndex: 6, createdIndex: 2 },
      },
      // It has been over for 20 ms: no seconds are left, and not less than none.
      prevNode: expect.objectContaining({ value: '1', ttl: 0, modifiedIndex: 2 }),
      index: 6,
      refresh: false,
    })
    expect(store.stats.expireCount).toBe(4)
    expect(store.nextExpiry()).toBe(clock.now() + 1)
    expect(sweep()).toBe(0)
  })

  test('expires a directory with all below it in one event, whatever is due there', () => {
    store.setDirectory('/a', inMs(10))
    for (const [i, ttl] of [20, 30, 40].entries()) store.set(`/a/b/${i}`, 'x', inMs(ttl))
    const seen: string[] = []
    store.watch('/a/b/1', { stream: true }, ({ action, node }) =>
      seen.push(`${action} ${node.key}`),
    )
    clock.advance(50)
    expect(sweep()).toBe(1)
    expect(expired()).toEqual(['/a'])
    expect(seen).toEqual(['expire /a'])
    expect([store.files, store.hasTtlKeys()]).toEqual([0, false])
  })

  test('expires what went before its directory', () => {
    store.setDirectory('/a', inMs(20))
    store.set('/a/b', 'x', inMs(10))
    clock.advance(50)
    expect(sweep()).toBe(2)
    expect(expired()).toEqual(['/a/b', '/a'])
  })

  test('does so many at a time', () => {
    for (let i = 0; i < 10; i++) store.set(`/${i}`, 'x', inMs(i))
    clock.advance(100)
    expect([sweep(4), sweep(4), sweep(4), sweep(4)]).toEqual([4, 4, 2, 0])
    expect(store.nextExpiry()).toBeUndefined()
  })

  test('spares what has been renewed or made permanent', () => {
    store.set('/a', 'x', inMs(10))
    store.set('/b', 'x', inMs(10))
    store.update('/a', 'x', { ...inMs(30), refresh: true })
    store.update('/b', 'x')
    clock.advance(20)
    expect(sweep()).toBe(0)
    expect(store.get('/a').node.ttl).toBe(1)
    clock.advance(10)
    expect(sweep()).toBe(1)
  })
})

interface LeaseStep {
  path: string
  time: number
  pass: number
  sweeps: number
  asks: boolean
}

describe('what is due and not yet removed', () => {
  test('is looked at once, however often clients ask whether some of it is below a directory', () => {
    const taken = vi.spyOn(TtlHeap.prototype, 'takeDue')
    const takenAlone = vi.spyOn(TtlHeap.prototype, 'takeFirst')
    onTestFinished(() => [taken, takenAlone].forEach((spy) => void spy.mockRestore()))
    for (let i = 0; i < 1000; i++) store.set(`/e/${i}`, 'x', inMs(10))
    store.set('/d/x', 'x')
    store.set('/d/leased', 'x', inMs(100_000))
    clock.advance(20)
    for (let i = 0; i < 100; i++) {
      expect(store.dueNodes().touch('/d', clock.now() - 1000)).toBe(false)
      expect(store.dueNodes().touch('/e', clock.now() - 1000)).toBe(true)
      store.expireBefore(['/d'])
      store.set(`/d/${i}`, 'x', inMs(1))
      clock.advance(1)
      expect(store.dueNodes().touch('/d', clock.now() - 1)).toBe(true)
      expect(() => store.delete('/d', { dir: true })).toThrow('Directory not empty')
    }
    expect(store.files).toBe(1002)
    const nodes = taken.mock.results.reduce((sum, { value }) => sum + value.length, 0)
    expect(nodes + takenAlone.mock.calls.length).toBe(1000 + 100)
  })

  test('expires in the same order whether or not somebody has asked', () => {
    const lease = fc.record<LeaseStep>({
      path: fc.constantFrom('/a', '/b', '/a/b', '/b/a', '/b/a/c'),
      time: fc.integer({ min: 0, max: 6 }),
      pass: fc.integer({ min: 0, max: 3 }),
      sweeps: fc.integer({ min: 0, max: 2 }),
      asks: fc.boolean(),
    })
    const run = (leases: readonly LeaseStep[], asks: boolean) => {
      clock = new ManualClock()
      store = new Store({ clock, watchHistory: 10_000 })
      for (const [i, each] of leases.entries()) {
        store.set(`${each.path}/d${i}`, 'x', inMs(each.time))
        // Nodes of one index: their paths decide.
        store.set(`${each.path}/d/${i}/x`, 'x', inMs(each.time))
        store.update(`${each.path}/d/${i}`, '', inMs(each.time))
        clock.advance(each.pass)
        if (asks && each.asks) store.dueNodes().touch('/b', 0)
        sweep(each.sweeps)
      }
      clock.advance(10)
      sweep()
      return expired()
    }
    fc.assert(
      fc.property(fc.array(lease, { maxLength: 20 }), (leases) => {
        expect(run(leases, true)).toEqual(run(leases, false))
      }),
      { numRuns: 300 },
    )
  })
})

test('the seconds left are rounded up', () => {
  store.set('/a', 'x', inMs(2001))
  const ttl = (): number | undefined => store.get('/a').node.ttl
  expect(ttl()).toBe(3)
  clock.advance(1)
  expect(ttl()).toBe(2)
  clock.advance(1999)
  expect(ttl()).toBe(1)
})

/** All that can be read from a store, hidden nodes included, without indexes. */
function visible(one: Store): string[] {
  const found: string[] = []
  const visit = (node: NodeExtern): void => {
    found.push(`${node.key} ${node.value} ${node.expiration}`)
    const hidden = node.dir ? [`${node.key === '/' ? '' : node.key}/_h`] : []
    for (const child of node.nodes ?? []) visit(one.get(child.key).node)
    for (const key of hidden) {
      try {
        visit(one.get(key).node)
      } catch {
        // No such node.
      }
    }
  }
  visit(one.get('/').node)
  return found.sort()
}

test('what can be seen and done is the same whether or not a sweep has run', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(writeToGivenPath, fc.nat({ max: 20 })), { maxLength: 40, size: 'max' }),
      (steps) => {
        const time = new ManualClock()
        const swept = new Store({ clock: time })
        const lazy = new Store({ clock: time })
        let expiries = 0
        for (const [run, ms] of steps) {
          const before = swept.index
          run(swept)
          run(lazy)
          expect(swept.index - before).toBeLessThanOrEqual(1)
          time.advance(ms)
          expiries += swept.deleteExpiredKeys(time.now())
          expect(visible(lazy)).toEqual(visible(swept))
        }
        expect(swept.stats.expireCount).toBe(expiries)
        lazy.deleteExpiredKeys(time.now())
        for (const one of [swept, lazy]) {
          expect(visible(one)).toEqual(visible(swept))
          // Every index has its event.
          expect([...one.history].map(({ index }) => index)).toEqual(
            Array.from({ length: one.index }, (_, i) => i + 1),
          )
          while (one.reclaim(1));
          const nodes = visible(one)
          expect(one.files).toBe(nodes.filter((node) => !node.includes(' undefined ')).length)
          expect(one.leases).toBe(nodes.filter((node) => !node.endsWith('undefined')).length)
        }
      },
    ),
    { numRuns: 300 },
  )
})
