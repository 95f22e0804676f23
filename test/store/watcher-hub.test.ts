import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import type { Event } from '../../src/store/event.ts'
import { isWatched } from '../../src/store/history/watched.ts'
import { PathTree } from '../../src/store/path-tree.ts'
import { Store } from '../../src/store/store.ts'
import { HubWatcher, type Watcher, type WatcherHub } from '../../src/store/watcher-hub.ts'
import { places, type Write, write } from './random-writes.ts'

const indexes = (events: readonly Event[]): number[] => events.map(({ index }) => index)

/** Calls back each time that the hub looks at a watcher. A walk reads each watcher's `next`. */
function onLook(watcher: HubWatcher, looked: () => void): void {
  let { next } = watcher
  Object.defineProperty(watcher, 'next', {
    get: () => {
      looked()
      return next
    },
    set: (other: HubWatcher) => {
      next = other
    },
  })
}

describe('WatcherHub', () => {
  test('shows one event to those who want one, all to the others', () => {
    const store = new Store()
    const once: Event[] = []
    const all: Event[] = []
    store.watch('/a', {}, (event) => once.push(event))
    store.watch('/a', { stream: true }, (event) => all.push(event))
    expect(store.hub.count).toBe(2)
    store.set('/a', '1')
    store.set('/a', '2')
    expect(indexes(once)).toEqual([1])
    expect(indexes(all)).toEqual([1, 2])
    expect(store.hub.count).toBe(1)
  })

  test('looks at no watcher of one node when something below it changes, nor at one of a missing node', () => {
    const store = new Store()
    let looks = 0
    class Counted extends HubWatcher {
      override show(): void {}
    }
    const add = (hub: WatcherHub, path: string, recursive: boolean, awaits: boolean): void => {
      const watcher = new Counted(path, { recursive, stream: true, since: 0 })
      watcher.awaits = awaits
      onLook(watcher, () => looks++)
      hub.attach(watcher)
    }
    for (let n = 0; n < 100; n++) {
      add(store.hub, '/', false, false)
      add(store.hub, '/d', false, false)
      add(store.hub, `/d/${n}`, true, true)
    }
    looks = 0
    store.set('/d/x', '1')
    store.delete('/d', { recursive: true })
    // Those of the directory itself, when it is removed.
    expect(looks).toBe(100)
    store.set('/d/7', '1')
    expect(looks).toBe(101)
  })

  test('looks at no watcher that came after the node of an expiry was due', () => {
    const clock = new ManualClock()
    const store = new Store({ clock })
    const dueAt = clock.now() + 1000
    for (let n = 0; n < 10; n++) store.set(`/d/${n}`, '', { expireTime: dueAt })
    let looks = 0
    let shown = 0
    class Late extends HubWatcher {
      override show(): void {
        shown++
      }
    }
    const add = (path: string, ignoredUntil: number): void => {
      const watcher = new Late(path, { recursive: true, stream: true, since: 0 })
      watcher.ignoredUntil = ignoredUntil
      onLook(watcher, () => looks++)
      store.hub.attach(watcher)
    }
    for (const path of ['/', '/d']) {
      add(path, dueAt - 1)
      for (let n = 0; n < 100; n++) add(path, dueAt + n)
    }
    clock.advance(2000)
    looks = 0
    store.deleteExpiredKeys(clock.now())
    expect([looks, shown]).toEqual([20, 20])
    store.set('/d/x', '')
    expect(shown).toBe(20 + 202)
  })

  test('looks once for the watchers above many nodes of one deep directory', () => {
    const clock = new ManualClock()
    const store = new Store({ clock })
    const deep = '/a'.repeat(200)
    for (let i = 0; i < 500; i++) {
      store.set(`${deep}/d/${i}`, '', { expireTime: clock.now() + 10 })
      store.set(`${deep}/e/${i}/x`, '', { expireTime: clock.now() + 20 })
    }
    clock.advance(20)
    let touched = 0
    for (let level = 1; level <= 200; level++) store.guard('/a'.repeat(level), () => touched++)
    const looks = vi.spyOn(PathTree.prototype, 'next')
    onTestFinished(() => looks.mockRestore())
    expect(() => store.delete(`${deep}/d`, { dir: true })).not.toThrow()
    // The directory itself has been deleted.
    expect(touched).toBe(200)
    for (let level = 1; level <= 200; level++) store.guard('/a'.repeat(level), () => touched++)
    store.deleteExpiredKeys(clock.now())
    expect([store.index, touched]).toEqual([2001, 200])
    expect(looks.mock.calls.length).toBeLessThan(5000)
  })

  test('guards know which expiries they missed, also when the clock goes back', () => {
    const start = new ManualClock().now()
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 8 }),
        fc.integer({ min: 1, max: 20 }),
        (madeAt, due) => {
          const store = new Store({ clock: { now: () => start + time, schedule: () => () => {} } })
          let time = 0
          store.set('/d/x', '', { expireTime: start + due })
          store.set('/d/y', '')
          const touched = new Set<number>()
          for (const [i, at] of madeAt.entries()) {
            time = at
            store.guard(i % 3 === 0 ? '/' : '/d', () => touched.add(i))
          }
          time = due
          store.deleteExpiredKeys(start + due)
          const expected = madeAt.flatMap((at, i) => (at < due ? [i] : []))
          expect([...touched].sort()).toEqual(expected)
          store.set('/d/y', '')
          expect(touched.size).toBe(madeAt.length)
        },
      ),
    )
  })

  test('shows nobody an event that they were not there for, or that comes too early', () => {
    const store = new Store()
    const events: Event[] = []
    const watcher = store.watch('/a', { stream: true, since: 3 }, (event) => events.push(event))
    store.set('/a', '1')
    store.set('/a', '2')
    store.set('/a', '3')
    watcher.remove()
    watcher.remove()
    store.set('/a', '4')
    expect(indexes(events)).toEqual([3])
    expect(store.hub.count).toBe(0)
  })

  test('looks at no watcher before the index that it begins with, and then at each of its events', () => {
    const store = new Store()
    const seen: string[] = []
    const watch = (name: string, since: number, stream: boolean): Watcher =>
      store.watch('/', { recursive: true, stream, since }, ({ index }) =>
        seen.push(`${name} ${index}`),
      )
    const watchers = [
      watch('all', 4, true),
      watch('one', 3, false),
      watch('far', 9e15, true),
      watch('gone', 3, true),
    ]
    expect([store.hub.count, store.hub.idle]).toEqual([4, true])
    watchers[3].remove()
    watchers[3].remove()
    expect(store.hub.count).toBe(3)
    store.set('/a', '1')
    store.set('/a', '2')
    expect(store.hub.idle).toBe(true)
    for (const value of ['3', '4', '5']) store.set('/a', value)
    expect(seen).toEqual(['one 3', 'all 4', 'all 5'])
    watchers[0].remove()
    expect([store.hub.count, store.hub.idle]).toEqual([1, true])
    watchers[2].remove()
    expect(store.hub.count).toBe(0)
  })

  test('a watcher wakes when the store is replaced by one with a higher index', () => {
    const later = new Store()
    for (let i = 0; i < 20; i++) later.set('/b', '1')
    const store = new Store()
    const seen: number[] = []
    store.watch('/', { recursive: true, since: 15 }, ({ index }) => seen.push(index))
    store.recovery(later.save())
    store.set('/a', '1')
    expect([seen, store.hub.count]).toEqual([[21], 0])
  })

  test('shows the very event that the operation returned', () => {
    const store = new Store()
    let seen: Event | undefined
    store.watch('/', { recursive: true }, (event) => {
      seen = event
    })
    expect(store.set('/a', '1')).toBe(seen)
  })

  test('a listener may end watchers, itself included, and begin others', () => {
    const store = new Store()
    const seen: string[] = []
    const watchers = ['first', 'second'].map((name) =>
      store.watch('/a', { stream: true }, () => {
        seen.push(name)
        for (const watcher of watchers) watcher.remove()
        store.watch('/a', {}, () => seen.push('later'))
      }),
    )
    const listeners = ['third', 'fourth'].map((name) => {
      const end = store.hub.addEverywhere(() => {
        seen.push(name)
        for (const stop of listeners) stop()
      })
      return end
    })
    store.set('/a', '1')
    expect(seen).toEqual(['third', 'first'])
    store.set('/a', '2')
    expect(seen).toEqual(['third', 'first', 'later'])
    expect(store.hub.count).toBe(0)
  })

  test('shows everything but refreshes to one who listens everywhere', () => {
    const store = new Store()
    const seen: string[] = []
    const end = store.hub.addEverywhere(({ node }) => seen.push(node.key))
    expect(store.hub.count).toBe(0)
    store.set('/_a/b', '1')
    store.update('/_a/b', '', { refresh: true, expireTime: store.clock.now() + 100_000 })
    store.delete('/_a', { recursive: true })
    end()
    store.set('/c', '1')
    expect(seen).toEqual(['/_a/b', '/_a'])
  })

  describe('a listener that throws', () => {
    const bad = (): void => {
      throw new Error('cannot')
    }

    test('is ended and told, and keeps no other from an event', () => {
      const store = new Store()
      const failures: unknown[] = []
      const onFailure = (error: unknown): void => void failures.push(error)
      const seen = new Map<string, number[]>()
      const listen = (name: string, path: string): void => {
        seen.set(name, [])
        store.watch(path, { recursive: true, stream: true }, ({ index }) =>
          seen.get(name)?.push(index),
        )
      }
      seen.set('everywhere before', [])
      store.hub.addEverywhere(({ index }) => seen.get('everywhere before')?.push(index))
      store.hub.addEverywhere(bad, onFailure)
      seen.set('everywhere after', [])
      store.hub.addEverywhere(({ index }) => seen.get('everywhere after')?.push(index))
      listen('before', '/a')
      store.watch('/a', { recursive: true, stream: true, onFailure }, bad)
      listen('after', '/a')
      listen('above', '/')
      store.watch('/a/b', { onFailure }, bad)
      listen('below', '/a/b')
      const { count } = store.hub
      expect(store.set('/a/b', '1').index).toBe(1)
      expect(store.set('/a/b', '2').index).toBe(2)
      expect(store.delete('/a', { recursive: true }).index).toBe(3)
      for (const [name, indexes] of seen) expect([name, indexes]).toEqual([name, [1, 2, 3]])
      expect(failures).toHaveLength(3)
      expect(store.hub.count).toBe(count - 2)
    })

    test('a failure that nobody is told of is thrown by itself', async () => {
      const thrown: unknown[] = []
      const others = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException')
      process.on('uncaughtException', (error) => thrown.push(error.message))
      try {
        const store = new Store()
        store.watch('/a', {}, bad)
        store.set('/a', '1')
        await new Promise(setImmediate)
      } finally {
        process.removeAllListeners('uncaughtException')
        for (const listener of others) process.on('uncaughtException', listener)
      }
      expect(thrown).toEqual(['cannot'])
    })

    test('guards are told before it', () => {
      const store = new Store()
      const order: string[] = []
      store.guard('/a', () => order.push('guard'))
      store.watch('/a', { onFailure: () => order.push('failure') }, bad)
      store.set('/a', '1')
      expect(order).toEqual(['guard', 'failure'])
    })
  })

  interface Step {
    run: Write
    watch: { path: string; recursive: boolean; stream: boolean; back: number } | undefined
    end: number | undefined
  }
  const watch = fc
    .tuple(places, fc.boolean(), fc.integer({ min: -3, max: 12 }))
    .map(([place, stream, back]) => ({ ...place, stream, back }))
  const steps: fc.Arbitrary<Step[]> = fc.array(
    fc.record({
      run: write,
      watch: fc.option(watch, { nil: undefined }),
      end: fc.option(fc.nat({ max: 20 }), { nil: undefined, freq: 6 }),
    }),
    { maxLength: 40, size: 'max' },
  )

  test('every watcher sees each event of its place once, in order, from where it asked on', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const clock = new ManualClock()
        const store = new Store({ clock })
        const watchers: {
          seen: Event[]
          expected: (event: Event) => boolean
          stream: boolean
          last: number
          remove(): void
        }[] = []
        for (const { run, watch, end } of sequence) {
          if (watch !== undefined) {
            const { path, recursive, stream, back } = watch
            const since = Math.max(0, store.index + 1 - back)
            const from = since === 0 ? store.index + 1 : since
            const seen: Event[] = []
            const watcher = store.watch(path, { recursive, stream, since }, (e) => seen.push(e))
            const expected = (e: Event): boolean => e.index >= from && isWatched(e, path, recursive)
            const remove = (): void => watcher.remove()
            watchers.push({ seen, expected, stream, last: Number.POSITIVE_INFINITY, remove })
          }
          if (end !== undefined && end < watchers.length) {
            watchers[end].remove()
            watchers[end].last = Math.min(watchers[end].last, store.index)
          }
          run(store)
          clock.advance(1)
          store.deleteExpiredKeys(clock.now())
        }
        const events = [...store.history]
        let live = 0
        for (const { seen, expected, stream, last } of watchers) {
          const all = events.filter((event) => expected(event) && event.index <= last)
          expect(indexes(seen)).toEqual(indexes(stream ? all : all.slice(0, 1)))
          if (last === Number.POSITIVE_INFINITY && (stream || all.length === 0)) live++
        }
        expect(store.hub.count).toBe(live)
      }),
      { numRuns: 500 },
    )
  })
})
