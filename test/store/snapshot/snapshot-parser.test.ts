import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import { SnapshotError } from '../../../src/store/errors.ts'
import { EventHistory } from '../../../src/store/history/event-history.ts'
import { TreeParser } from '../../../src/store/snapshot/tree-parser.ts'
import { Store } from '../../../src/store/store.ts'
import { textToBytes } from '../../../src/store/text.ts'

type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

const later = (store: Store, ms: number) => ({ expireTime: store.clock.now() + ms })

/** A state with something of everything, and few enough empty places in the event queue. */
function document(): Json {
  const store = new Store({ clock: new ManualClock() })
  store.set('/a/b', 'x', later(store, 1000))
  store.set('/a/\xff', '\xfe')
  store.setDirectory('/d', later(store, 2000))
  store.update('/a/b', '', { ...later(store, 3000), refresh: true })
  store.set('/gone', '1', later(store, 500))
  store.deleteExpiredKeys(store.clock.now() + 500)
  store.delete('/a/\xff')
  const state = JSON.parse(Buffer.from(store.save(), 'latin1').toString('utf8'))
  state.WatcherHub.EventHistory.Queue.Events.length = 8
  return state
}

/** The same, as a whole server of etcd keeps it. */
function serverDocument(): Json {
  const node = (Path: string, index: number, Children: Json, ExpireTime?: string): Json => ({
    ...{ Path, CreatedIndex: index, ModifiedIndex: index },
    ...{ ExpireTime: ExpireTime ?? '0001-01-01T00:00:00Z', Value: Children ? '' : 'x', Children },
  })
  const brief = '2020-01-01T00:00:00.123456789Z'
  const keys = { a: node('/1/a', 3, null), b: node('/1/b', 4, null, brief) }
  const children = { '0': node('/0', 0, {}), '1': node('/1', 0, keys) }
  const event = (key: string, modifiedIndex: number): Json => ({
    action: 'set',
    node: { key, value: 'x', modifiedIndex, createdIndex: modifiedIndex },
  })
  const Events = [event('/1/b', 4), null, event('/0/members', 2), event('/1/a', 3)]
  const Queue = { Events, Size: 3, Front: 2, Back: 1, Capacity: 4 }
  return {
    Root: node('/', 0, children),
    WatcherHub: { EventHistory: { Queue, StartIndex: 2, LastIndex: 4 } },
    CurrentIndex: 4,
    Stats: { setsSuccess: 3 },
    CurrentVersion: 2,
  }
}

function storeWithSomething(): Store {
  const store = new Store({ clock: new ManualClock() })
  store.set('/mine/file', '1', later(store, 100))
  store.set('/other', '2')
  return store
}

/** Either the state loads, and what has been loaded can be saved and loaded, or nothing changes. */
function tryState(state: string): 'loaded' | 'refused' {
  const store = storeWithSomething()
  const before = store.save()
  try {
    store.recovery(state)
  } catch (error) {
    expect(error).toBeInstanceOf(SnapshotError)
    expect((error as Error).message.length).toBeLessThan(200_000)
    expect(store.save()).toBe(before)
    expect(store.leases).toBe(1)
    return 'refused'
  }
  const copy = new Store({ clock: store.clock })
  copy.recovery(store.save())
  const content = (one: Store) => JSON.parse(Buffer.from(one.save(), 'latin1').toString('utf8'))
  expect(content(copy)).toEqual(content(store))
  return 'loaded'
}

/** Where in a document a value stands. */
function placesIn(value: Json, at: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [at]
  const children = Array.isArray(value) ? value.entries() : Object.entries(value)
  return [at, ...[...children].flatMap(([name, child]) => placesIn(child, [...at, name]))]
}

type Change = { with: Json } | 'delete'

function changed(value: Json, at: readonly (string | number)[], change: Change): Json | undefined {
  if (at.length === 0) return change === 'delete' ? undefined : change.with
  const [name, ...rest] = at
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as never
  const child = changed(copy[name], rest, change)
  if (child === undefined) delete copy[name]
  else (copy as Record<string | number, Json>)[name] = child
  return copy
}

const encode = (value: unknown): string => textToBytes(JSON.stringify(value) ?? '')

const telling = fc.constantFrom<Json[]>(
  '',
  '/',
  '/a',
  '..',
  'base64/',
  'set',
  'expire',
  '2020-01-01T00:00:00Z',
  '9999-12-31T23:59:59-23:59',
  '0000-01-01T00:00:00+23:59',
  '2020-13-45T00:00:00Z',
  '\ud800',
  ...[-1, 0, -0, 1, 3, 1.5, 1e300, 2 ** 53],
  ...[true, null],
)
const replacements = fc.oneof(telling, fc.jsonValue() as fc.Arbitrary<Json>)

describe('a damaged state is refused whole, or loads', () => {
  test.each([
    ['one of ours', document()],
    ['one of a server of etcd', serverDocument()],
  ])('%s, with values replaced, taken away and moved about', (_, original) => {
    const places = placesIn(original)
    const values = places.map((at) =>
      at.reduce<Json>((value, name) => (value as Record<string | number, Json>)[name], original),
    )
    const changes = fc.array(
      fc.tuple(
        fc.constantFrom(...places),
        fc.oneof<fc.Arbitrary<Change>[]>(
          replacements.map((value) => ({ with: value })),
          fc.constant('delete'),
          fc.constantFrom(...values).map((value) => ({ with: value })),
        ),
      ),
      { minLength: 1, maxLength: 3 },
    )
    const outcomes = { loaded: 0, refused: 0 }
    fc.assert(
      fc.property(changes, (list) => {
        let damaged: Json | undefined = original
        for (const [at, change] of list) {
          try {
            damaged = changed(damaged as Json, at, change)
          } catch {
            // An earlier change has taken the place away.
          }
        }
        outcomes[tryState(encode(damaged))]++
      }),
      { numRuns: 2000 },
    )
    expect(outcomes.loaded).toBeGreaterThan(50)
    expect(outcomes.refused).toBeGreaterThan(50)
  })

  test('bytes changed and cut off at random', () => {
    const state = encode(document())
    const byte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code))
    fc.assert(
      fc.property(fc.nat({ max: state.length - 1 }), byte, fc.boolean(), (at, other, cut) => {
        tryState(state.slice(0, at) + other + (cut ? '' : state.slice(at + 1)))
      }),
      { numRuns: 2000 },
    )
  })

  const nested = '['.repeat(100_000) + ']'.repeat(100_000)
  const empty = { Path: '/', CreatedIndex: 0, ModifiedIndex: 0, Children: {} }
  const root = (children: Json): string =>
    encode({ Root: { ...empty, Children: children }, CurrentIndex: 5, CurrentVersion: 2 })
  const file = (Path: string): Json => ({
    ...{ Path, CreatedIndex: 1, ModifiedIndex: 1, ExpireTime: null, Value: '', Children: null },
  })
  let deep: Json = file('/x'.repeat(1025))
  for (let depth = 1024; depth > 0; depth--) {
    deep = { ...(file('/x'.repeat(depth)) as object), Children: { x: deep } }
  }

  test.each<[string, string, RegExp]>([
    ['nothing', '', /^the state is not JSON: /],
    ['half a state', encode(document()).slice(0, 500), /^the state is not JSON: /],
    ['not UTF-8', '"\xff"', /^the state is not valid UTF-8$/],
    ['a list', '[]', /^the state is an array, expected an object$/],
    ['null', 'null', /^the state is null, expected an object$/],
    ['another version', '{"CurrentVersion":3}', /^CurrentVersion is 3, expected 2$/],
    ['no version', '{}', /^CurrentVersion is missing, expected 2$/],
    ['a deep nest', `{"CurrentVersion":${nested}}`, /^CurrentVersion is an array, expected 2$/],
    ['a long version', encode({ CurrentVersion: 'x'.repeat(1000) }), /^.{15,100}, expected 2$/],
    ['no root', '{"CurrentVersion":2,"CurrentIndex":1}', /^Root is missing/],
    ['a name with a slash', root({ 'a/b': file('/a/b') }), /"a\/b" cannot be a name/],
    ['a name of two dots', root({ '..': file('/..') }), /cannot be a name/],
    ['an empty name', root({ '': file('/') }), /cannot be a name/],
    ['a name that was meant to be hidden', root({ 'base64/YS9i': file('/a/b') }), /cannot be a/],
    ['a path elsewhere', root({ a: file('/b') }), /^\/a: Path is "\/b"$/],
    ['one name twice', root({ a: file('/a'), 'base64/YQ==': file('/a') }), /stands there twice/],
    ['too many levels', root({ x: deep }), /too deep$/],
    [
      'a path too long',
      root({ ['x'.repeat(70_000)]: file(`/${'x'.repeat(70_000)}`) }),
      /too long$/,
    ],
  ])('%s', (_, state, message) => {
    expect(() => new Store().recovery(state)).toThrow(message)
    expect(tryState(state)).toBe('refused')
  })
})

test('the fields of a node may come in any order', () => {
  const backwards = (value: Json): Json => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
    const entries = Object.entries(value).map(([name, each]) => [name, backwards(each)])
    return Object.fromEntries(entries.reverse())
  }
  const [store, other] = [document(), backwards(document())].map((state) => {
    const loaded = new Store({ clock: new ManualClock() })
    loaded.recovery(encode(state))
    return loaded
  })
  expect(other.save()).toBe(store.save())
  expect(other.nextExpiry()).toBe(store.nextExpiry())
})

test('no more than a node is made into objects at a time, because all take several times the tree', () => {
  const store = new Store({ watchHistory: 0 })
  for (let i = 0; i < 20_000; i++) store.set(`/d${i % 100}/${i}`, 'x')
  for (let i = 0; i < 1000; i++) store.createDirectory(`/empty/${i}`)
  const state = store.save()
  const parse = vi.spyOn(JSON, 'parse')
  onTestFinished(() => parse.mockRestore())
  const copy = new Store({ watchHistory: 0 })
  copy.recovery(state)
  const lengths = parse.mock.calls.map(([text]) => text.length)
  expect(state.length).toBeGreaterThan(2_000_000)
  expect(Math.max(...lengths)).toBeLessThan(1000)
  expect(copy.save()).toBe(state)
})

test('what nobody asks for is not made into objects, because V8 makes a class for each that has other fields', () => {
  const shapes = Array.from({ length: 1000 }, (_, i) => ({ [`a${i}`]: 1, [`b${i}`]: { c: '' } }))
  const odd = Object.assign({}, ...shapes) as object
  const file = {
    ...{ Path: '/a', CreatedIndex: 1, ModifiedIndex: 1, ExpireTime: null, Value: 'x' },
    Children: null,
  }
  const key = { key: '/a', value: 'x', modifiedIndex: 1, createdIndex: 1 }
  const event = { action: 'set', node: { ...key, ...odd }, ...odd }
  const children = { a: { ...file, ...odd } }
  const state = encode({
    Root: { ...odd, Path: '/', CreatedIndex: 0, ModifiedIndex: 0, Children: children },
    WatcherHub: {
      ...odd,
      EventHistory: { ...odd, Queue: { ...odd, Events: [event, shapes], Size: 1, Front: 0 } },
    },
    Stats: { ...odd, getsSuccess: 7 },
    Shapes: shapes,
    CurrentIndex: 1,
    CurrentVersion: 2,
    ...odd,
  } as Json)
  const parse = vi.spyOn(JSON, 'parse')
  onTestFinished(() => parse.mockRestore())
  const store = new Store()
  store.recovery(state)
  expect(parse.mock.calls.filter(([text]) => /[{[]/.test(text))).toEqual([])
  expect(store.stats.getsSuccess).toBe(7)
  expect(store.get('/a').node.value).toBe('x')
  expect(store.findEvent('/a', false, 1)?.index).toBe(1)
})

test('the events of a state stand in a ring', () => {
  const store = new Store({ watchHistory: 5 })
  for (let i = 0; i < 5; i++) store.set(`/a${i}`, 'x')
  const state = JSON.parse(store.save()) as {
    WatcherHub: { EventHistory: { Queue: { Events: Json[]; Size: number; Front: number } } }
  }
  const { Queue } = state.WatcherHub.EventHistory
  const events = [...Queue.Events.slice(Queue.Front), ...Queue.Events.slice(0, Queue.Front)]
  for (let front = 0; front < 5; front++) {
    Queue.Events = events.map((_, i) => events[(i + 5 - front) % 5])
    Queue.Front = front
    const copy = new Store({ watchHistory: 5 })
    copy.recovery(encode(state as unknown as Json))
    expect([...copy.history].map(({ node }) => node.key)).toEqual([
      '/a0',
      '/a1',
      '/a2',
      '/a3',
      '/a4',
    ])
  }
})

test('of many events those are read that can be kept, or whose paths can be remembered', () => {
  const node = (i: number): string =>
    `{"action":"set","node":{"key":"/d${i % 10}/a${i}","value":"","modifiedIndex":${i},"createdIndex":${i}}}`
  const COUNT = 50_000
  const events = Array.from({ length: COUNT }, (_, i) => node(i + 1))
  const state = JSON.parse(new Store().save())
  state.CurrentIndex = COUNT
  state.WatcherHub.EventHistory.Queue = { Events: 'X', Size: COUNT, Front: 0 }
  const store = new Store({ watchHistory: 1000 })
  const add = vi.spyOn(EventHistory.prototype, 'add')
  onTestFinished(() => add.mockRestore())
  store.recovery(JSON.stringify(state).replace('"X"', `[${events.join(',')}]`))
  expect(add.mock.calls.length).toBeLessThan(20_000)
  expect([...store.history].map(({ index }) => index)[0]).toBe(COUNT - 999)
  expect(store.findEvent('/never', false, COUNT - 5000)).toBeUndefined()
  expect(() => store.findEvent('/never', false, COUNT - 30_000)).toThrow('cleared')
})

test('an event of a directory has no value, and no key is longer than a path', () => {
  const state = document() as { WatcherHub: { EventHistory: { Queue: { Events: Json[] } } } }
  const [first] = state.WatcherHub.EventHistory.Queue.Events as { node: Record<string, Json> }[]
  Object.assign(first.node, { dir: true, value: 'x' })
  const store = new Store({ clock: new ManualClock() })
  store.recovery(encode(state as unknown as Json))
  expect([...store.history][0].node).toMatchObject({ dir: true, value: undefined })
  first.node.key = `/${'x'.repeat(15_360)}`
  expect(() => store.recovery(encode(state as unknown as Json))).toThrow('its key is too long')
})

test('a state of a server in any order is made into one tree only', () => {
  const made = vi.spyOn(TreeParser.prototype, 'root')
  onTestFinished(() => made.mockRestore())
  const { Root, ...rest } = serverDocument() as { Root: { Children: Record<string, Json> } }
  const names = Object.keys(Root.Children)
  const state = JSON.stringify({ ...rest, Root: { ...Root, Children: '' } })
  const children = ['2', ...names.filter((name) => name !== '2').reverse()].map((name) => {
    const empty = { Path: '/2', CreatedIndex: 0, ModifiedIndex: 0, Children: {} }
    return `"${name}":${JSON.stringify(Root.Children[name] ?? empty)}`
  })
  const store = new Store({ clock: new ManualClock(0) })
  store.recovery(textToBytes(state.replace('"Children":""', `"Children":{${children.join(',')}}`)))
  expect(made).toHaveBeenCalledTimes(1)
  expect(store.get('/a').node.value).toBe('x')
})

test('the TTL of an event may have run out below zero, as etcd writes it', () => {
  const state = document() as { WatcherHub: { EventHistory: { Queue: { Events: Json[] } } } }
  const [first] = state.WatcherHub.EventHistory.Queue.Events as { node: { ttl: number } }[]
  first.node.ttl = -1
  const store = new Store({ clock: new ManualClock() })
  store.recovery(textToBytes(JSON.stringify(state)))
  expect(store.findEvent('/a/b', false, 1)?.node.ttl).toBe(0)
})

describe('a state of a whole server of etcd', () => {
  test('loads the clients’ keys, below the root', () => {
    const store = new Store({ clock: new ManualClock(0) })
    store.recovery(encode(serverDocument()))
    expect(store.get('/', { sorted: true }).node.nodes).toMatchObject([
      { key: '/a', value: 'x', modifiedIndex: 3, expiration: undefined },
      { key: '/b', value: 'x', expiration: Date.UTC(2020, 0, 1, 0, 0, 0, 123) },
    ])
    expect(store.index).toBe(4)
    // The server's own event keeps its place, and nobody sees it.
    expect(store.findEvent('/', true, 2)?.index).toBe(3)
    expect([...store.history].map(({ index, node }) => [index, node.key])).toEqual([
      [2, '/'],
      [3, '/a'],
      [4, '/b'],
    ])
    expect(store.stats.setsSuccess).toBe(3)
    expect(() => store.findEvent('/a', false, 1)).toThrow('cleared [2/1]')
    expect(store.findEvent('/a', false, 2)?.index).toBe(3)
  })

  test('loads its keys also where somebody has put it into another order', () => {
    const saved = serverDocument() as { Root: { Children: Record<string, object> } }
    const { '0': own, '1': keys } = saved.Root.Children
    const other = JSON.stringify({ ...own, Path: '/9' })
    const children = `{"9":${other},"1":${JSON.stringify(keys)},"0":${JSON.stringify(own)}}`
    const state = JSON.stringify({ ...saved, Root: { ...saved.Root, Children: 'here' } })
    const store = new Store({ clock: new ManualClock(0) })
    store.recovery(state.replace('"here"', children))
    expect(store.getFile('/a')?.value).toBe('x')
  })

  test('directories 0 and 1 of our own are not taken for one', () => {
    const store = new Store()
    store.set('/0/a', 'x')
    store.set('/1/b', 'y')
    const copy = new Store()
    copy.recovery(store.save())
    expect(copy.get('/1/b').node.value).toBe('y')
  })

  test('is looked for once: what it brings is our own, even if it looks like another one', () => {
    const directory = (Path: string, Children: Json): Json => ({
      ...{ Path, CreatedIndex: 0, ModifiedIndex: 0, ExpireTime: null, Value: '', Children },
    })
    const state = (path: string, names: readonly string[]): Json => ({
      [names[0]]: directory(`${path}/0`, {}),
      [names[1]]: directory(`${path}/1`, {
        x: { ...(directory(`${path}/1/x`, null) as object), Value: 'v' },
      }),
    })
    const plain = ['0', '1']
    const server = { '0': directory('/0', {}), '1': directory('/1', state('/1', plain)) }
    // Names in base64 are not those that an etcd server writes.
    for (const children of [server, state('', ['base64/MA==', 'base64/MQ=='])]) {
      const store = new Store()
      store.recovery(encode({ Root: directory('/', children), CurrentIndex: 5, CurrentVersion: 2 }))
      expect(store.getFile('/1/x')?.value).toBe('v')
      const saved = store.save()
      const again = new Store()
      again.recovery(saved)
      expect(again.save()).toBe(saved)
      const copy = new Store()
      copy.recovery(saved.replace('"Writer":"ktree",', ''), true)
      expect(copy.save()).toBe(saved)
    }
  })
})
