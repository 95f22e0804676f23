import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { PathError, StoreError } from '../../src/store/errors.ts'
import { eventToJson } from '../../src/store/event-json.ts'
import type { Expiries } from '../../src/store/expiring-tree.ts'
import { Store } from '../../src/store/store.ts'
import { paths, writeToGivenPath } from './random-writes.ts'

/** A store, and what it tells of each change. */
function watchedStore(clock: ManualClock) {
  const store = new Store({ clock })
  const told: string[] = []
  store.onEveryChange((event) => told.push(eventToJson(event)))
  return { store, told }
}

/** Runs a write. @returns how it was refused, if it was */
function outcomeOf(write: () => unknown): string {
  try {
    write()
    return 'done'
  } catch (error) {
    if (!(error instanceof StoreError || error instanceof PathError)) throw error
    return error.message
  }
}

interface Ask {
  readonly what: string
  /** Expires bit by bit what the write expires first. */
  expiries(store: Store): Expiries
  write(store: Store): unknown
}

const twoPaths = fc.tuple(paths, paths)
const ask: fc.Arbitrary<Ask> = fc.oneof(
  paths.map((path) => ({
    what: `delete ${path}`,
    expiries: (store: Store) => store.expiriesIn(path),
    write: (store: Store) => store.delete(path, { dir: true }),
  })),
  twoPaths.map(([from, to]) => ({
    what: `rename ${from} ${to}`,
    expiries: (store: Store) => store.expiriesOfRename(from, to),
    write: (store: Store) => store.rename(from, to),
  })),
  twoPaths.map((all) => ({
    what: `before ${all.join(' ')}`,
    expiries: (store: Store) => store.expiriesBefore(all),
    write: (store: Store) => store.expireBefore(all),
  })),
  fc.nat({ max: 5 }).map((count) => ({
    what: `expire ${count}`,
    expiries: (store: Store) => store.expiriesOfDue(store.clock.now(), count),
    write: (store: Store) => {
      let left = count
      while (left > 0 && (store.nextExpiry() ?? Number.POSITIVE_INFINITY) <= store.clock.now()) {
        left -= store.deleteExpiredKeys(store.clock.now(), left)
      }
    },
  })),
)
/** Reads in between come later than the entry of the log that the expiries belong to. */
const LATER_MS = 30

test('what expires bit by bit before a write is what the write would expire in one go, whatever reads come in between', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.array(writeToGivenPath, { maxLength: 12 }), fc.nat({ max: 40 }), ask), {
        maxLength: 12,
        size: 'max',
      }),
      fc.boolean(),
      (rounds, reads) => {
        const clock = new ManualClock()
        const slow = watchedStore(clock)
        const quick = watchedStore(clock)
        for (const [writes, ms, { what, expiries, write }] of rounds) {
          for (const each of writes) for (const { store } of [slow, quick]) each(store)
          clock.advance(ms)
          const { index } = slow.store
          const steps = expiries(slow.store)
          for (let last = index; steps.next().done !== true; last = slow.store.index) {
            expect(slow.store.index - last).toBeLessThanOrEqual(1)
            if (!reads) continue
            clock.jump(LATER_MS)
            slow.store.dueNodes().touch('/a', 0)
            slow.store.snapshotCopy()
            clock.jump(-LATER_MS)
          }
          const after = slow.store.index
          // What counts events instead has expired all by now.
          const isAll = what.startsWith('expire')
          const outcome = isAll ? 'done' : outcomeOf(() => write(slow.store))
          expect(outcome).toBe(outcomeOf(() => write(quick.store)))
          expect(slow.told).toEqual(quick.told)
          expect(slow.store.saveNoCopy()).toBe(quick.store.saveNoCopy())
          // Nothing is left for the write itself but the one node on the way to where it goes.
          const own = slow.told.slice(slow.told.length - (slow.store.index - after))
          const late = own.filter((event) => event.includes('"action":"expire"'))
          expect(late.length).toBeLessThanOrEqual(1)
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('a directory of any number of due children is emptied a child a step', () => {
  const clock = new ManualClock()
  const { store } = watchedStore(clock)
  const expireTime = clock.now() + 10
  for (let i = 0; i < 3000; i++) store.set(`/d/${i}`, '', { expireTime })
  clock.advance(10)
  const expiries: [string, Expiries][] = [
    ['rename', store.expiriesOfRename('/d', '/e')],
    ['delete', store.expiriesIn('/d')],
    ['before', store.expiriesBefore(['/x', '/d'])],
    ['due', store.expiriesOfDue(clock.now(), 500)],
  ]
  for (const [what, steps] of expiries) {
    let left = 500
    for (let { index } = store; left > 0; index = store.index) {
      expect([what, steps.next().done]).toEqual([what, false])
      expect(store.index - index).toBeLessThanOrEqual(1)
      left -= store.index - index
    }
  }
})
