import { posix } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import { type Event, keyOf, removesDirectory } from '../../../src/store/event.ts'
import { DroppedEvents } from '../../../src/store/history/dropped-events.ts'
import { isWatched } from '../../../src/store/history/watched.ts'
import { isBelow } from '../../../src/store/path.ts'
import { Store } from '../../../src/store/store.ts'
import { paths, places, write } from '../random-writes.ts'

/** An event of a file at a path. */
function event(key: string, index: number): Event {
  const node = { key, dir: false, value: '', modifiedIndex: index, createdIndex: index }
  const rest = { expiration: undefined, ttl: undefined, nodes: undefined }
  return { action: 'set', node: { ...node, ...rest }, prevNode: undefined, index, refresh: false }
}

/** An event that removes a directory. */
function removal(key: string, index: number): Event {
  const node = { ...event(key, index).node, dir: true, value: undefined }
  return { ...event(key, index), action: 'delete', node, prevNode: node }
}

/** All events of a store, whatever its own history keeps. */
function eventsOf(writes: readonly ((store: Store) => void)[]): Event[] {
  const clock = new ManualClock()
  const store = new Store({ clock })
  for (const run of writes) {
    run(store)
    clock.advance(1)
    store.deleteExpiredKeys(clock.now())
  }
  return [...store.history]
}

const queries = fc.array(fc.tuple(places, fc.nat({ max: 40 })), { minLength: 20, maxLength: 20 })
const writes = fc.array(write, { maxLength: 40, size: 'max' })

describe('DroppedEvents', () => {
  test('knows of each event exactly who would have seen it', () => {
    fc.assert(
      fc.property(writes, queries, (sequence, asked) => {
        const events = eventsOf(sequence)
        const dropped = new DroppedEvents()
        for (const one of events) dropped.add(one)
        for (const [{ path, recursive }, since] of asked) {
          const missed = events.some((one) => one.index >= since && isWatched(one, path, recursive))
          expect(dropped.hasSince(path, recursive, since)).toBe(missed)
          expect(dropped.clone().hasSince(path, recursive, since)).toBe(missed)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('forgets where the oldest were, and then errs on the safe side only', () => {
    fc.assert(
      fc.property(writes, queries, fc.integer({ min: 1, max: 12 }), (sequence, asked, limit) => {
        const events = eventsOf(sequence)
        const dropped = new DroppedEvents(limit)
        for (const one of events) {
          dropped.add(one)
          expect(dropped.paths).toBeLessThanOrEqual(limit)
        }
        for (const [{ path, recursive }, since] of asked) {
          const missed = events.some((one) => one.index >= since && isWatched(one, path, recursive))
          if (missed) expect(dropped.hasSince(path, recursive, since)).toBe(true)
          // What is newer than every event nobody can have missed.
          expect(dropped.hasSince(path, recursive, (events.at(-1)?.index ?? 0) + 1)).toBe(false)
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('remembers the newer half, and what is hidden, when it forgets', () => {
    const dropped = new DroppedEvents(100)
    dropped.add(event('/quiet/_hidden/x', 1))
    let index = 1
    for (let i = 0; i < 90; i++) dropped.add(event(`/busy/${i}`, ++index))
    dropped.add(event('/quiet/_hidden/y', ++index))
    const hidden = index
    for (let i = 90; i < 100; i++) dropped.add(event(`/busy/${i}`, ++index))
    expect(dropped.paths).toBeLessThan(100)
    expect(dropped.hasSince('/quiet/_hidden/y', false, hidden)).toBe(true)
    expect(dropped.hasSince('/quiet/_hidden', true, hidden)).toBe(true)
    expect(dropped.hasSince('/quiet', true, hidden)).toBe(false)
    expect(dropped.hasSince('/busy/99', false, index)).toBe(true)
    expect(dropped.hasSince('/busy/98', false, index)).toBe(false)
    // Which of the old ones it was is forgotten.
    expect(dropped.hasSince('/busy/never', false, 2)).toBe(true)
    expect(dropped.hasSince('/busy/never', false, hidden)).toBe(false)
    expect(dropped.hasSince('/elsewhere', true, 1)).toBe(false)
  })

  test('knows the same of long ways on which paths part', () => {
    const part = fc.constantFrom('a', 'b', '_h', 'a name that is longer than others')
    const longPaths = fc
      .array(part, { minLength: 1, maxLength: 8 })
      .map((parts) => `/${parts.join('/')}`)
    const drops = fc.array(fc.tuple(longPaths, fc.boolean()), { maxLength: 30 })
    fc.assert(
      fc.property(
        drops,
        fc.array(longPaths, { minLength: 20, maxLength: 20 }),
        (dropped, asked) => {
          const events = dropped.map(([key, removes], i) =>
            removes ? removal(key, i + 1) : event(key, i + 1),
          )
          const history = new DroppedEvents()
          for (const one of events) history.add(one)
          const loaded = DroppedEvents.load(history.save())
          const cloned = history.clone()
          expect(history.paths).toBeLessThanOrEqual(2 * events.length)
          const wrong: string[] = []
          for (const path of [...asked, ...events.map(keyOf), '/']) {
            for (const recursive of [false, true]) {
              const last = events.findLast((one) => isWatched(one, path, recursive))?.index ?? 0
              for (const known of [history, cloned, loaded]) {
                const isKnown = known.hasSince(path, recursive, Math.max(last, 1))
                const isTooLate = known.hasSince(path, recursive, last + 1)
                if (isKnown !== last > 0 || isTooLate) wrong.push(`${path} ${recursive} ${last}`)
              }
            }
          }
          expect(wrong).toEqual([])
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('remembers one or two paths of an event, however many levels its own directories have', () => {
    const dropped = new DroppedEvents()
    const levels = '/d'.repeat(1000)
    for (let i = 1; i <= 100; i++) dropped.add(event(`/${i}${levels}/x`, i))
    expect(dropped.paths).toBe(100)
    for (let i = 1; i <= 100; i++) dropped.add(event(`/${i}${levels}/y`, 100 + i))
    expect(dropped.paths).toBe(300)
    expect(dropped.hasSince(`/7${levels}/x`, false, 7)).toBe(true)
    expect(dropped.hasSince(`/7${levels}/x`, false, 8)).toBe(false)
    expect(dropped.hasSince(`/7${levels.slice(1000)}`, true, 107)).toBe(true)
    expect(dropped.hasSince(`/7${levels.slice(1000)}`, true, 108)).toBe(false)
  })

  test('goes down to a bounded number of paths for an event, and errs on the safe side', () => {
    const dropped = new DroppedEvents()
    const deep = '/d'.repeat(1000)
    for (let level = 1; level <= 1000; level++) dropped.add(event(deep.slice(0, 2 * level), level))
    expect(dropped.paths).toBeLessThan(100)
    expect(dropped.hasSince(deep, false, 1000)).toBe(true)
    expect(dropped.hasSince(`${deep}/other`, false, 1000)).toBe(true)
    expect(dropped.hasSince(deep.slice(0, 20), true, 1000)).toBe(true)
    expect(dropped.hasSince(deep.slice(0, 20), false, 11)).toBe(false)
    expect(dropped.hasSince(deep, false, 1001)).toBe(false)
    expect(dropped.hasSince('/d/e', true, 1)).toBe(false)
  })

  test('told only of the directory of an event, errs on the safe side, and only in that directory', () => {
    fc.assert(
      fc.property(writes, queries, (sequence, asked) => {
        const [exact, folded] = [new DroppedEvents(), new DroppedEvents()]
        const events = eventsOf(sequence).filter(({ refresh }) => !refresh)
        for (const each of events) {
          exact.add(each)
          if (removesDirectory(each)) folded.add(each)
          else folded.addFolded(keyOf(each), each.index)
        }
        for (const [{ path, recursive }, since] of asked) {
          const may = folded.hasSince(path, recursive, since)
          if (exact.hasSince(path, recursive, since)) expect(may).toBe(true)
          else if (may) {
            const isIn = ({ node: { key } }: Event): boolean => {
              const directory = posix.dirname(key)
              return directory === path ? recursive : isBelow(path, directory)
            }
            expect(events.some((each) => each.index >= since && isIn(each))).toBe(true)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  test('tells watchers above a crowd of its events, also where paths have parted since', () => {
    const dropped = new DroppedEvents()
    let index = 0
    for (let i = 0; i < 5000; i++) dropped.add(event(`/a/b/c/${i}`, ++index))
    const crowd = dropped.crowdOf('/a/b/c')
    expect(dropped.addCrowded(crowd, ++index)).toBe(true)
    expect(dropped.hasSince('/a/b', true, index)).toBe(true)
    dropped.add(event('/a/x', ++index))
    const late = event('/a/b/c/1', ++index)
    if (!dropped.addCrowded(crowd, late.index)) dropped.add(late)
    for (const path of ['/', '/a', '/a/b', '/a/b/c']) {
      expect(dropped.hasSince(path, true, index)).toBe(true)
      expect(dropped.hasSince(path, true, index + 1)).toBe(false)
    }
    expect(dropped.addCrowded(dropped.crowdOf('/a/b/c'), ++index)).toBe(true)
    expect(dropped.hasSince('/a', true, index)).toBe(true)
    dropped.add(event('/a/b/c/_hidden', ++index))
    expect(dropped.hasSince('/a/b', true, index)).toBe(false)
    expect(dropped.hasSince('/a/b/c/_hidden', false, index)).toBe(true)
  })

  test('takes a directory as a whole for a while when too many names in it had events', () => {
    const dropped = new DroppedEvents()
    let index = 0
    const dropOne = (name: number | string) => dropped.add(event(`/busy/${name}`, ++index))
    for (let i = 0; i < 5000; i++) dropOne(i)
    expect(dropped.paths).toBeLessThan(10)
    // Nothing is missed, and what lies elsewhere is not touched by it.
    expect(dropped.hasSince('/busy/4999', false, index)).toBe(true)
    expect(dropped.hasSince('/busy', true, index)).toBe(true)
    expect(dropped.hasSince('/busy/never/x', false, index)).toBe(true)
    expect(dropped.hasSince('/busy/4999', false, index + 1)).toBe(false)
    expect(dropped.hasSince('/', true, index)).toBe(true)
    expect(dropped.hasSince('/quiet', true, 1)).toBe(false)
    expect(dropped.hasSince('/busy', false, 1)).toBe(false)
    // Later it is exact again.
    for (let i = 0; i < 263_000; i++) dropOne(i % 10)
    const before = index
    dropOne('again')
    expect(dropped.hasSince('/busy/again', false, index)).toBe(true)
    expect(dropped.hasSince('/busy/other', false, before)).toBe(false)
  })

  test('stays bounded however many paths there are', () => {
    const dropped = new DroppedEvents()
    let most = 0
    for (let index = 1; index <= 200_000; index++) {
      dropped.add(event(index % 2 === 0 ? `/a/${index}` : `/${index}/_h`, index))
      most = Math.max(most, dropped.paths)
    }
    expect(most).toBeLessThanOrEqual(65_536)
    expect(dropped.hasSince('/a/200000', false, 200_000)).toBe(true)
    expect(dropped.hasSince('/199999/_h', false, 199_999)).toBe(true)
    expect(dropped.hasSince('/a', true, 200_001)).toBe(false)
  })

  test('takes all up to an index for lost', () => {
    fc.assert(
      fc.property(paths, fc.boolean(), (path, recursive) => {
        const dropped = new DroppedEvents()
        dropped.addAllUpTo(10)
        expect(dropped.hasSince(path, recursive, 10)).toBe(true)
        expect(dropped.hasSince(path, recursive, 11)).toBe(false)
      }),
    )
  })

  test('is the same when it has been saved and loaded, and goes on the same', () => {
    fc.assert(
      fc.property(writes, queries, fc.nat({ max: 40 }), (sequence, asked, cut) => {
        const events = eventsOf(sequence)
        const dropped = new DroppedEvents()
        for (const one of events.slice(0, cut)) dropped.add(one)
        const loaded = DroppedEvents.load(dropped.save())
        expect(loaded.paths).toBe(dropped.paths)
        for (const one of events.slice(cut)) {
          dropped.add(one)
          loaded.add(one)
        }
        for (const [{ path, recursive }, since] of asked) {
          const missed = dropped.hasSince(path, recursive, since)
          expect(loaded.hasSince(path, recursive, since)).toBe(missed)
        }
        expect(loaded.save()).toBe(dropped.save())
      }),
      { numRuns: 300 },
    )
  })

  test('saves what it has forgotten too, in characters of one byte', () => {
    const dropped = new DroppedEvents(10)
    for (let index = 1; index <= 40; index++) dropped.add(event(`/\xff\0"/${index}\u0080`, index))
    dropped.addAllUpTo(3)
    const saved = dropped.save()
    expect(saved).toMatch(/^[\0-\xff]*$/)
    const loaded = DroppedEvents.load(saved)
    expect(loaded.paths).toBe(dropped.paths)
    for (let since = 1; since <= 41; since++) {
      for (const path of ['/', '/\xff\0"', '/\xff\0"/40\u0080', '/\xff\0"/2\u0080', '/x']) {
        const missed = dropped.hasSince(path, true, since)
        expect(loaded.hasSince(path, true, since)).toBe(missed)
      }
    }
  })

  test('tells of an event at a directory itself while that has too many names in it', () => {
    const dropped = new DroppedEvents()
    for (let index = 1; index <= 5000; index++) dropped.add(event(`/${index}`, index))
    dropped.add(event('/', 5001))
    expect(dropped.hasSince('/', false, 5001)).toBe(true)
    expect(dropped.hasSince('/', false, 5002)).toBe(false)
    for (let index = 5002; index <= 10_002; index++) dropped.add(event(`/a/${index}`, index))
    expect(dropped.hasSince('/a', true, 10_002)).toBe(true)
  })

  test('remembers a directory where a file was, and what is below it', () => {
    const dropped = new DroppedEvents()
    dropped.add(event('/a', 1))
    dropped.add(event('/a/b', 2))
    dropped.add(event('/a/b', 3))
    expect(dropped.paths).toBe(2)
    expect(dropped.hasSince('/a', false, 1)).toBe(true)
    expect(dropped.hasSince('/a', false, 2)).toBe(false)
    expect(dropped.hasSince('/a', true, 3)).toBe(true)
    expect(dropped.hasSince('/a/b', false, 3)).toBe(true)
    expect(dropped.hasSince('/a/b', false, 4)).toBe(false)
    expect(dropped.hasSince('/a/c', true, 1)).toBe(false)
    expect(DroppedEvents.load(dropped.save()).save()).toBe(dropped.save())
  })

  test('stays bounded when it has been loaded', () => {
    const full = new DroppedEvents()
    for (let index = 1; index <= 10_000; index++) full.add(event(`/a/${index}`, index))
    const loaded = DroppedEvents.load(full.save())
    let most = 0
    for (let index = 10_001; index <= 100_000; index++) {
      loaded.add(event(`/a/${index}`, index))
      most = Math.max(most, loaded.paths)
    }
    expect(most).toBeLessThanOrEqual(65_536)
    expect(loaded.hasSince('/a/100000', false, 100_000)).toBe(true)
  })

  test.each([
    '',
    '{}',
    'null',
    '[]',
    '[1]',
    '[1,0,0,0]',
    '[0,0,0,0,"0"]',
    '[0,0,0,0,0,"a"]',
    '[0,0,0,0,0,1,[0,0,0,0,0]]',
    '[0,0,0,0,0,"a",[0.5,0,0,0,0]]',
  ])('does not take %s for what it has saved', (saved) => {
    expect(() => DroppedEvents.load(saved)).toThrow()
  })
})
