import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import type { Event } from '../../../src/store/event.ts'
import { eventToJson } from '../../../src/store/event-json.ts'
import { MAX_PATH_DEPTH, MAX_PATH_LENGTH } from '../../../src/store/path.ts'
import { Store } from '../../../src/store/store.ts'
import { MAX_EXPIRE_TIME } from '../../../src/store/tree/ttl-heap.ts'
import { equalValues, textOfValue, toValue } from '../../../src/store/value.ts'
import { usedMemory } from '../../server/memory.ts'
import { write } from '../random-writes.ts'

/** The document, for JSON does not keep the order in which names were added. */
const parsed = (state: string) => JSON.parse(Buffer.from(state, 'latin1').toString('utf8'))

function reloaded(store: Store): Store {
  const copy = new Store({ clock: store.clock })
  copy.recovery(store.save())
  return copy
}

const bytes = fc.uint8Array({ maxLength: 6 }).map((array) => Buffer.from(array).toString('latin1'))
const names = fc.oneof(
  bytes.map((name) => name.replaceAll('/', '')),
  fc.constantFrom('__proto__', 'constructor', '0', '1', 'base64', '_h', 'é', '\xff'),
)
const anyPath = fc
  .array(names, { minLength: 1, maxLength: 3 })
  .map((parts) => `/k${parts.join('/')}`)
const files = fc.array(fc.tuple(anyPath, bytes, fc.option(fc.integer({ min: 1, max: 1e12 }))), {
  maxLength: 20,
})

/** An event whatever form it has. */
function inFull({ action, index, refresh, node, prevNode }: Event): Event {
  return { action, index, refresh, node, prevNode }
}

describe('a saved state', () => {
  test('brings back every byte of every key and value, every lease and every event', () => {
    fc.assert(
      fc.property(files, fc.array(write, { maxLength: 20 }), (some, writes) => {
        const store = new Store({ clock: new ManualClock() })
        for (const [key, value, ttl] of some) {
          try {
            store.set(key, value, ttl === null ? {} : { expireTime: store.clock.now() + ttl })
          } catch {
            // A directory of that name is there.
          }
        }
        for (const run of writes) run(store)
        const copy = reloaded(store)
        expect(parsed(copy.save())).toEqual(parsed(store.save()))
        const all = { recursive: true, sorted: true }
        expect(copy.get('/', all)).toEqual({ ...store.get('/', all), index: store.index })
        expect([...copy.history].map(inFull)).toEqual([...store.history].map(inFull))
        expect(copy.statsMap()).toMatchObject({ ...store.statsMap(), getsSuccess: 1 })
        while (store.reclaim(100));
        expect([copy.index, copy.files, copy.leases]).toEqual([
          store.index,
          store.files,
          store.leases,
        ])
        expect(copy.nextExpiry()).toBe(store.nextExpiry())
      }),
      { numRuns: 500 },
    )
  })

  test('is the document that etcd writes', () => {
    const store = new Store({ clock: new ManualClock() })
    store.set('/a/b', 'x', { expireTime: store.clock.now() + 1500 })
    store.watch('/a', {}, () => {})
    const document = parsed(store.save())
    expect(Object.keys(document)).toEqual([
      'Root',
      'WatcherHub',
      'CurrentIndex',
      'Stats',
      'Writer',
      'CurrentVersion',
    ])
    const never = '0001-01-01T00:00:00Z'
    const first = { CreatedIndex: 1, ModifiedIndex: 1 }
    const file = { Path: '/a/b', ...first, Value: 'x', Children: null }
    const directory = { Path: '/a', ...first, ExpireTime: never, Value: '' }
    expect(document.Root).toEqual({
      ...{ Path: '/', CreatedIndex: 0, ModifiedIndex: 0, ExpireTime: never, Value: '' },
      Children: {
        a: {
          ...directory,
          Children: { b: { ...file, ExpireTime: '2020-01-01T00:00:01.500Z' } },
        },
      },
    })
    const { Queue, StartIndex, LastIndex } = document.WatcherHub.EventHistory
    expect([StartIndex, LastIndex]).toEqual([1, 1])
    expect(Queue).toMatchObject({ Size: 1, Front: 0, Back: 1, Capacity: 1000 })
    expect(Queue.Events).toHaveLength(1000)
    expect([document.CurrentIndex, document.CurrentVersion]).toEqual([1, 2])
    expect(document.Stats).toMatchObject({ setsSuccess: 1, watchers: 0 })
    expect(parsed(store.saveNoCopy()).Stats.watchers).toBe(1)
  })

  test('keeps expiry times around 1970, each of which is due, and a time at all', () => {
    const name = (time: number): string => `/${time}`
    const times = [-86_400_000, -2, -1, 0, 1]
    const clock = new ManualClock()
    const store = new Store({ clock })
    for (const time of times) store.set(name(time), 'x', { expireTime: clock.now() + 1 })
    // What etcd has written with a clock that stood before 1970, and ktree never sets.
    const document = parsed(store.save())
    for (const time of times) {
      document.Root.Children[name(time).slice(1)].ExpireTime = new Date(time).toISOString()
    }
    const copy = new Store({ clock })
    copy.recovery(JSON.stringify(document))
    expect(parsed(copy.save()).Root).toEqual(document.Root)
    const again = reloaded(copy)
    expect(again.leases).toBe(times.length)
    expect(again.deleteExpiredKeys(clock.now())).toBe(times.length)
    expect(again.files).toBe(0)
  })

  test('takes the history over, as far as it is kept here', () => {
    const store = new Store()
    for (let i = 1; i <= 10; i++) store.set(`/${i}`, '')
    const small = new Store({ watchHistory: 3 })
    small.recovery(store.save())
    expect([...small.history].map(({ index }) => index)).toEqual([8, 9, 10])
    expect(() => small.findEvent('/5', false, 5)).toThrow('[8/5]')
    expect(small.findEvent('/5', false, 6)).toBeUndefined()
    const again = reloaded(small)
    expect(again.findEvent('/9', false, 8)?.index).toBe(9)
    // Where the events were that were not saved nobody knows.
    expect(() => again.findEvent('/5', false, 6)).toThrow('[8/6]')
  })

  test('leaves the watchers in place, for what happens from then on', () => {
    const store = new Store()
    const events: Event[] = []
    store.watch('/a', { stream: true }, (event) => events.push(event))
    const other = new Store()
    other.set('/b', '')
    other.set('/a', '')
    store.recovery(other.save())
    store.set('/a', 'new')
    expect(events.map(({ index }) => index)).toEqual([3])
  })

  test('replaces all that was there, what was still to be cleared away included', () => {
    const store = new Store({ clock: new ManualClock() })
    const later = { expireTime: store.clock.now() + 1000 }
    for (let i = 0; i < 200; i++) store.set(`/old/${i}`, '', later)
    store.delete('/old', { recursive: true })
    const other = new Store({ clock: store.clock })
    for (let i = 0; i < 200; i++) other.set(`/new/${i}`, '', later)
    store.recovery(other.save())
    expect(store.save()).toBe(other.save())
    expect(store.reclaim(1000)).toBe(false)
    expect([store.leases, store.files, store.index]).toEqual([200, 200, 200])
    expect(store.deleteExpiredKeys(later.expireTime)).toBe(200)
    expect(store.get('/new').node.nodes).toEqual([])
  })

  test('expires what has become due in between', () => {
    const clock = new ManualClock()
    const store = new Store({ clock })
    store.set('/a', '', { expireTime: clock.now() + 1000 })
    store.set('/b', '')
    const state = store.save()
    clock.advance(5000)
    const late = new Store({ clock })
    late.recovery(state)
    expect(() => late.get('/a')).toThrow('Key not found')
    expect(late.deleteExpiredKeys(clock.now())).toBe(1)
    expect(late.index).toBe(3)
    expect(reloaded(late).findEvent('/a', false, 3)?.action).toBe('expire')
  })

  test.each([
    ['the deepest directory', (store: Store) => store.createDirectory('/x'.repeat(MAX_PATH_DEPTH))],
    ['the deepest file', (store: Store) => store.set('/x'.repeat(MAX_PATH_DEPTH), '')],
    ['the longest path', (store: Store) => store.set(`/${'x'.repeat(MAX_PATH_LENGTH - 1)}`, '')],
    ['the latest expiry', (store: Store) => store.set('/a', '', { expireTime: 1e300 })],
    ['the earliest expiry', (store: Store) => store.set('/a', '', { expireTime: -1e300 })],
  ])('holds %s', (_, run) => {
    const store = new Store({ clock: new ManualClock() })
    run(store)
    expect(reloaded(store).save()).toBe(store.save())
  })

  test('no time is later than can be written down', () => {
    const store = new Store({ clock: new ManualClock() })
    store.set('/a', '', { expireTime: Number.MAX_SAFE_INTEGER })
    expect(store.get('/a').node.expiration).toBe(MAX_EXPIRE_TIME)
    expect(new Date(MAX_EXPIRE_TIME).toISOString()).toBe('9999-12-31T23:59:59.999Z')
  })
})

describe('a state in pieces', () => {
  const longValue = fc
    .constantFrom('x', '\x01', '"', 'é', 'Ã©', '\xff')
    .chain((byte) =>
      fc
        .constantFrom(49_151, 49_152, 49_153, 49_154, 200_001)
        .map((count) => toValue(byte.repeat(count))),
    )

  test('pauses while a long directory is sorted', () => {
    const store = new Store()
    for (let i = 0; i < 20_000; i++) store.set(`/d/${(i * 7919) % 20_000}`, '')
    const pieces = [...store.snapshotCopy().pieces()]
    expect(pieces.filter((piece) => piece === '').length).toBeGreaterThan(20)
  })

  test('holds long values of any bytes, and is the same each time', () => {
    fc.assert(
      fc.property(longValue, longValue, (first, second) => {
        const store = new Store({ clock: new ManualClock() })
        store.set('/a/file', first)
        store.set('/a/file', second, { expireTime: store.clock.now() + 5000 })
        store.update('/a/file', '', { refresh: true })
        store.delete('/a/file')
        store.set('/a/file', first)
        const copy = store.snapshotCopy()
        const [once, again] = [[...copy.pieces()], [...copy.pieces()]]
        for (const piece of once) expect(piece.length).toBeLessThan(6 * 49_152 + 65_536)
        const state = once.map(textOfValue).join('')
        // Buffers compared byte by byte would take seconds.
        expect(again.map(textOfValue).join('') === state).toBe(true)
        expect(parsed(state).Root.Children.a.Children.file.CreatedIndex).toBe(5)
        const loaded = new Store({ clock: store.clock })
        loaded.recovery(state)
        expect(loaded.save() === store.save()).toBe(true)
        expect(equalValues(loaded.getFile('/a/file')?.value ?? '', first)).toBe(true)
        const [loadedEvents, events] = [loaded, store].map(({ history }) =>
          [...history].map(eventToJson).join('\n'),
        )
        expect(loadedEvents === events).toBe(true)
      }),
      { numRuns: 30 },
    )
  })

  test('shows one moment', () => {
    const store = new Store({ clock: new ManualClock() })
    for (let i = 0; i < 1000; i++) store.set(`/a/${i}`, 'before')
    const expected = store.save()
    const copy = store.snapshotCopy()
    const pieces = copy.pieces()
    const first = pieces.next().value ?? ''
    store.rename('/a', '/b')
    store.set('/b/1', 'after')
    store.flush()
    expect(first + [...pieces].join('')).toBe(expected)
  })
})

test.each([0, 300])('a copy weighs what it keeps besides the nodes, with %i events', (events) => {
  const store = new Store()
  for (let i = 0; i < events; i++) store.set('/a', String(i))
  const keep = () => {
    const copy = store.snapshotCopy()
    return { copy, pieces: copy.pieces() }
  }
  keep()
  const before = usedMemory()
  const kept = Array.from({ length: 5000 }, keep)
  const measured = usedMemory() - before
  const weight = kept.reduce((sum, { copy }) => sum + copy.weight, 0)
  expect(measured).toBeLessThan(1.1 * weight)
  expect(measured).toBeGreaterThan(0.25 * weight)
})
