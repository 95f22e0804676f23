import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { Sets } from '../../src/store/sets.ts'
import { Store } from '../../src/store/store.ts'
import { looksOf } from './tree/looks.ts'

afterEach(() => vi.restoreAllMocks())

const LEVELS = 20
const COUNT = 400
const paths = Array.from({ length: COUNT }, (_, i) => `${'d/'.repeat(LEVELS)}${i}`)

/** Checks all paths, and then sets them. */
function setAll(store: Store, all: readonly string[], value: string): void {
  const sets = new Sets(store)
  for (const path of all) sets.check(path)
  for (const path of all) sets.set(path, value)
}

describe('the sets of one command', () => {
  test('walk to a file that is there once, and to a new one twice', () => {
    const store = new Store()
    store.set(`${'d/'.repeat(LEVELS)}other`, '')
    expect(looksOf(() => setAll(store, paths, '1'))).toBe(2 * COUNT * (LEVELS + 1))
    expect(looksOf(() => setAll(store, paths, '2'))).toBe(COUNT * (LEVELS + 1))
    for (const path of paths) expect(store.get(path).node.value).toBe('2')
  })

  test('find what a watcher has changed while they are made', () => {
    const store = new Store()
    setAll(store, paths, '1')
    const seen: string[] = []
    store.watch(paths[10], {}, () => {
      store.watch('/d', { recursive: true, stream: true }, (event) => {
        seen.push(`${event.action} ${event.node.key}`)
      })
      store.delete('/d', { recursive: true })
    })
    setAll(store, paths, '2')
    expect(seen).toEqual(['delete /d', ...paths.slice(11).map((path) => `set /${path}`)])
    for (const [i, path] of paths.entries()) {
      if (i <= 10) expect(store.lookup(path)).toBeUndefined()
      else expect(store.get(path).node.value).toBe('2')
    }
    expect(store.files).toBe(COUNT - 11)
  })

  const path = fc.constantFrom('/a', 'a', 'b/c', '/b/d', 'b//d', 'b/./c', 'x/y/z', '/e', 'x/../e')

  test('do what single ones do', () => {
    const lease = fc.tuple(fc.constantFrom('/a', '/b', '/b/c', '/x', '/x/y'), fc.nat(3))
    fc.assert(
      fc.property(
        fc.array(path),
        fc.array(lease),
        fc.nat(3),
        fc.array(path),
        (before, leases, passes, all) => {
          const stores = [0, 1].map(() => {
            const clock = new ManualClock()
            const store = new Store({ clock })
            for (const each of before) store.set(each, '1')
            for (const [leased, time] of leases) {
              if (store.lookup(leased) === undefined) continue
              store.update(leased, '', { expireTime: clock.now() + time })
            }
            clock.advance(passes)
            return store
          })
          const seen = stores.map((store) => {
            const events: unknown[] = []
            store.watch('/', { recursive: true, stream: true }, ({ action, node, prevNode }) =>
              events.push(action, node, prevNode),
            )
            return events
          })
          for (const each of all) stores[0].checkSet(each)
          for (const each of all) stores[0].setFile(each, '2')
          setAll(stores[1], all, '2')
          expect(seen[1]).toEqual(seen[0])
          expect(stores[1].save()).toBe(stores[0].save())
        },
      ),
    )
  })
})
