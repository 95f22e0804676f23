import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import { StoreError } from '../../../src/store/errors.ts'
import type { Event } from '../../../src/store/event.ts'
import { DroppedEvents } from '../../../src/store/history/dropped-events.ts'
import { EventHistory } from '../../../src/store/history/event-history.ts'
import { EventLookup } from '../../../src/store/history/event-lookup.ts'
import { isWatched } from '../../../src/store/history/watched.ts'
import { Store } from '../../../src/store/store.ts'
import { places, write } from '../random-writes.ts'

function event(index: number, key = '/a', value = ''): Event {
  const node = { key, dir: false, value, modifiedIndex: index, createdIndex: index }
  const rest = { expiration: undefined, ttl: undefined, nodes: undefined }
  return { action: 'set', node: { ...node, ...rest }, prevNode: undefined, index, refresh: false }
}

const indexes = (history: EventHistory): number[] => [...history].map(({ index }) => index)
/** What {@link event} counts besides its key and value. */
const BYTES_OF_EVENT = 224
const roomy = { events: 1000, bytes: 1e9 }

describe('EventHistory', () => {
  test('keeps the last events', () => {
    const history = new EventHistory({ events: 3, bytes: 1e9 })
    expect([history.size, history.startIndex, history.lastIndex]).toEqual([0, 0, 0])
    for (let index = 1; index <= 100; index++) history.add(event(index))
    expect(indexes(history)).toEqual([98, 99, 100])
    expect([history.size, history.startIndex, history.lastIndex]).toEqual([3, 98, 100])
  })

  test('a request that makes very many remembers at most what others have left', () => {
    const history = new EventHistory({ events: 10, bytes: 1e9 })
    const remembered = vi.spyOn(DroppedEvents.prototype, 'addAt')
    let index = 0
    const makeMany = (): number => {
      const before = remembered.mock.calls.length
      history.remembersLater = true
      for (let i = 0; i < 1000; i++) history.add(event(++index, `/a/${index}`))
      history.remembersLater = false
      return remembered.mock.calls.length - before
    }
    expect(makeMany()).toBe(0)
    for (let i = 0; i < 3; i++) expect(makeMany()).toBeLessThan(1020)
    while (history.remember(100));
    expect(remembered.mock.calls.length).toBe(index - 10)
    expect(remembered.mock.calls.map(([key]) => key)).toEqual(
      Array.from({ length: index - 10 }, (_, i) => `/a/${i + 1}`),
    )
    remembered.mockRestore()
  })

  test('of hundreds of thousands that are dropped at once, the last are remembered whole, the others by directory', () => {
    const history = new EventHistory({ events: 10, bytes: 1e9 })
    history.remembersLater = true
    for (let index = 1; index <= 100_010; index++)
      history.add(event(index, `/d${index % 7}/${index % 70}`))
    history.remembersLater = false
    while (history.remember(1000));
    const isKept = (path: string, since: number): boolean => {
      try {
        history.assertKept(path, false, since, 100_010)
        return true
      } catch {
        return false
      }
    }
    expect(isKept('/d1/quiet', 1)).toBe(false)
    expect(isKept('/d1/quiet', 40_000)).toBe(true)
    expect(isKept('/d1/1', 40_000)).toBe(false)
    expect(isKept('/d9/quiet', 1)).toBe(true)
    expect(isKept('/d1', 1)).toBe(true)
  })

  test('keeps fewer where they hold too much, but always the last', () => {
    const history = new EventHistory({ events: 100, bytes: 3 * (BYTES_OF_EVENT + 10) })
    for (let index = 1; index <= 5; index++) history.add(event(index, '/a', 'x'.repeat(8)))
    expect(indexes(history)).toEqual([3, 4, 5])
    history.add(event(6, '/a', 'x'.repeat(1000)))
    expect(indexes(history)).toEqual([6])
    history.add(event(7))
    expect(indexes(history)).toEqual([7])
  })

  test('of several nodes keeps the same, whatever memory the values lie in', () => {
    const limits = { events: 100, bytes: 100_000, isShared: true }
    const [apart, together] = [new EventHistory(limits), new EventHistory(limits)]
    const memory = Buffer.alloc(50_000)
    for (let index = 1; index <= 20; index++) {
      apart.add({ ...event(index), node: { ...event(index).node, value: Buffer.alloc(10_000) } })
      const value = memory.subarray(0, 10_000)
      together.add({ ...event(index), node: { ...event(index).node, value } })
      expect(indexes(together.clone())).toEqual(indexes(apart))
    }
    expect(indexes(apart)).toHaveLength(9)
    together.resize({ ...limits, bytes: 50_000 })
    expect(indexes(together)).toHaveLength(4)
  })

  test('drops at once what no longer fits', () => {
    const history = new EventHistory(roomy)
    for (let index = 1; index <= 10; index++) history.add(event(index))
    history.resize({ events: 4, bytes: 1e9 })
    expect(indexes(history)).toEqual([7, 8, 9, 10])
    history.resize({ events: 6, bytes: 1e9 })
    for (let index = 11; index <= 20; index++) history.add(event(index))
    expect(indexes(history)).toEqual([15, 16, 17, 18, 19, 20])
    expect(history.limits.events).toBe(6)
  })

  describe('where one event takes the room of very many', () => {
    const deep = '/d'.repeat(60)
    const count = 30_000

    function filled(): EventHistory {
      const history = new EventHistory({ events: count, bytes: 20_000_000 })
      for (let index = 1; index < count; index++) {
        history.add(event(index, `/${index % 2000}${deep}/${index % 3}`))
      }
      history.add({ ...event(count, '/d'), refresh: true })
      return history
    }

    /** Whether a watcher is let in that wants an index. */
    function isKept(history: EventHistory, path: string, since: number): boolean {
      try {
        history.assertKept(path, true, since, count + 1)
        return true
      } catch {
        return false
      }
    }

    test('does not remember all that leave at once, and knows of all of them', () => {
      const adds = vi.spyOn(DroppedEvents.prototype, 'addAt')
      const history = filled()
      history.add(event(count + 1, '/big', 'x'.repeat(30_000_000)))
      expect(indexes(history)).toEqual([count + 1])
      expect(adds.mock.calls.length).toBeLessThan(5000)
      expect(history.needsRemember).toBe(true)
      expect(history.rememberedUpTo(count + 1)).toBe(adds.mock.calls.length)
      const copy = history.clone()
      // They are refused, although theirs may be a quiet path.
      expect(isKept(history, '/quiet', 1)).toBe(false)
      expect(isKept(history, '/quiet', count)).toBe(true)
      expect(isKept(history, '/quiet', count + 1)).toBe(true)
      expect(adds.mock.calls.length).toBeLessThan(15_000)
      // Each write remembers more than one.
      let writes = 0
      for (let index = count + 2; history.needsRemember; index++) {
        history.add(event(index, '/quiet/a'))
        expect(++writes).toBeLessThan(count / 8)
      }
      while (copy.remember(1000)) expect(copy.rememberedUpTo(0)).toBeLessThan(count)
      adds.mockRestore()
      expect(copy.rememberedUpTo(0)).toBe(count)
      for (const one of [history, copy]) {
        expect(isKept(one, '/other', 1)).toBe(true)
        expect(isKept(one, `/1999${deep}`, count - 1)).toBe(false)
        expect(isKept(one, `/1999${deep}`, count)).toBe(true)
        expect(isKept(one, '/', count - 1)).toBe(false)
      }
      expect(isKept(copy, '/', count)).toBe(true)
    })

    test('drops the same when it has been made smaller', () => {
      const history = filled()
      const adds = vi.spyOn(DroppedEvents.prototype, 'addAt')
      history.resize({ events: 10, bytes: 1000 })
      expect(adds.mock.calls.length).toBeLessThan(5000)
      adds.mockRestore()
      expect(isKept(history, '/quiet', 1)).toBe(false)
      while (history.remember(1000));
      expect(isKept(history, '/quiet', 1)).toBe(true)
      expect(isKept(history, '/', 1)).toBe(false)
    })
  })

  test('finds by index where indexes have gaps', () => {
    const history = new EventHistory(roomy)
    for (const index of [3, 7, 8, 20]) history.add(event(index, `/${index}`))
    const find = (since: number) => history.find('/', true, since, 20)?.index
    expect([1, 3, 4, 7, 8, 9, 20, 21].map(find)).toEqual([3, 3, 7, 7, 8, 20, 20, undefined])
  })

  test('says what was cleared', () => {
    const history = new EventHistory({ events: 2, bytes: 1e9 })
    for (let index = 1; index <= 5; index++) history.add(event(index))
    const find = (): unknown => history.find('/a', false, 2, 9)
    expect(find).toThrow('outdated and cleared (the requested history has been cleared [4/2])')
    expect(find).toThrow(expect.objectContaining({ code: 401, index: 9 }))
    expect(() => history.assertKept('/b', false, 2, 9)).not.toThrow()
  })

  test('a copy goes its own way', () => {
    const history = new EventHistory({ events: 2, bytes: 1e9 })
    for (let index = 1; index <= 3; index++) history.add(event(index))
    const copy = history.clone()
    copy.add(event(4, '/b'))
    expect(indexes(history)).toEqual([2, 3])
    expect(indexes(copy)).toEqual([3, 4])
    expect(() => history.assertKept('/a', false, 2, 3)).not.toThrow()
    expect(() => copy.assertKept('/a', false, 2, 4)).toThrow(StoreError)
  })

  test('what came before it began is lost', () => {
    const history = new EventHistory(roomy)
    history.forgetUpTo(10)
    expect(history.lastIndex).toBe(10)
    expect(() => history.find('/a', false, 10, 10)).toThrow(StoreError)
    expect(history.find('/a', false, 11, 10)).toBeUndefined()
    history.add(event(11))
    expect(() => history.find('/b', false, 10, 11)).toThrow(StoreError)
    expect(history.find('/b', false, 11, 11)).toBeUndefined()
    expect(history.find('/a', false, 11, 11)?.index).toBe(11)
  })

  const writes = fc.array(write, { maxLength: 40, size: 'max' })
  const queries = fc.array(fc.tuple(places, fc.nat({ max: 45 })), {
    minLength: 20,
    maxLength: 20,
  })

  test('finds the same when many search it as when few do', () => {
    let lookups = 0
    const made = EventLookup.of
    EventLookup.of = (events) => {
      lookups++
      return made(events)
    }
    const searches = fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), queries), { maxLength: 4 })
    fc.assert(
      fc.property(writes, searches, fc.integer({ min: 1, max: 30 }), (sequence, rounds, kept) => {
        const clock = new ManualClock()
        const store = new Store({ clock, watchHistory: kept })
        const steps = sequence.values()
        for (const [count, asked] of rounds) {
          for (let i = 0; i < count; i++) {
            steps.next().value?.(store)
            clock.advance(1)
            store.deleteExpiredKeys(clock.now())
          }
          const events = [...store.history]
          for (const [{ path, recursive }, since] of [...asked, ...asked, ...asked]) {
            const first = events.find(
              (one) => one.index >= since && isWatched(one, path, recursive),
            )
            try {
              expect(store.findEvent(path, recursive, since)).toEqual(first)
            } catch (error) {
              if (!(error instanceof StoreError)) throw error
            }
          }
        }
      }),
      { numRuns: 500 },
    )
    EventLookup.of = made
    expect(lookups).toBeGreaterThan(50)
  })

  test('a lookup reads each path about once, however many levels it has', () => {
    const deep = '/123456789'.repeat(1000)
    const events = Array.from({ length: 100 }, (_, i) => event(i + 1, `${deep}/${i}`))
    const slice = vi.spyOn(String.prototype, 'slice')
    const lookup = EventLookup.of(events)
    const bytes = slice.mock.results.reduce((sum, { value }) => sum + String(value).length, 0)
    slice.mockRestore()
    // Each level once would be 500 times the length of the paths.
    expect(bytes).toBeLessThan(4 * 100 * deep.length)
    const first = (path: string, since: number) => lookup?.first(path, true, since)
    expect([first('/', 5), first('/123456789', 5), first('/12345678', 5)]).toEqual([
      5,
      5,
      undefined,
    ])
    expect([first(deep, 100), first(`${deep}/7`, 1), first(`${deep}/7`, 9)]).toEqual([
      100,
      8,
      undefined,
    ])
  })

  test.each([
    ['nothing is written', 0],
    ['each writes before', 1],
  ])('does not go through all events for each of many that search, while %s', (_, writesEach) => {
    let looks = 0
    const history = new EventHistory(roomy)
    let index = 0
    const add = (): void => {
      const one = { ...event(++index, `/d/${index}`) }
      Object.defineProperty(one, 'refresh', { get: () => ++looks < 0 })
      history.add(one)
    }
    for (let i = 0; i < 1000; i++) add()
    for (let i = 0; i < 10_000; i++) {
      if (writesEach > 0) add()
      expect(history.find('/other', true, history.startIndex, index)).toBeUndefined()
    }
    expect(looks).toBeLessThan(60_000)
  })

  test('refuses a watcher if and only if an event that it would have seen was dropped', () => {
    fc.assert(
      fc.property(writes, queries, fc.integer({ min: 1, max: 10 }), (sequence, asked, kept) => {
        const clock = new ManualClock()
        const store = new Store({ clock, watchHistory: kept })
        // A store that is told the same, and drops nothing.
        const model = new Store({ clock })
        for (const run of sequence) {
          run(store)
          run(model)
          clock.advance(1)
          store.deleteExpiredKeys(clock.now())
          model.deleteExpiredKeys(clock.now())
        }
        const events = [...model.history]
        expect([...store.history]).toEqual(events.slice(-kept))
        const start = store.history.startIndex
        for (const [{ path, recursive }, since] of asked) {
          const first = events.find((one) => one.index >= since && isWatched(one, path, recursive))
          if (first === undefined || first.index >= start) {
            expect(store.findEvent(path, recursive, since)).toEqual(first)
          } else {
            const cause = `the requested history has been cleared [${start}/${since}]`
            expect(() => store.findEvent(path, recursive, since)).toThrow(
              expect.objectContaining({ code: 401, cause, index: store.index }),
            )
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})
