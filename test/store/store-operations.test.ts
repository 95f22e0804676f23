import { beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import type { Event, NodeExtern } from '../../src/store/event.ts'
import { Store } from '../../src/store/store.ts'

let clock: ManualClock
let store: Store

beforeEach(() => {
  clock = new ManualClock()
  store = new Store({ clock })
})

const file = (key: string, value: string | undefined, modified: number, created = modified) =>
  node({ key, value, modifiedIndex: modified, createdIndex: created })
const directory = (key: string, modified: number, created = modified, nodes?: NodeExtern[]) =>
  node({ key, dir: true, nodes, modifiedIndex: modified, createdIndex: created })

function node(fields: Partial<NodeExtern>): NodeExtern {
  const absent = { value: undefined, expiration: undefined, ttl: undefined, nodes: undefined }
  return { key: '', dir: false, ...absent, modifiedIndex: 0, createdIndex: 0, ...fields }
}

function event(action: Event['action'], index: number, now: NodeExtern, before?: NodeExtern) {
  return { action, node: now, prevNode: before, index, refresh: false }
}

const leased = (extern: NodeExtern, ttl: number): NodeExtern => ({
  ...extern,
  expiration: clock.now() + ttl * 1000,
  ttl,
})
const inSeconds = (ttl: number) => ({ expireTime: clock.now() + ttl * 1000 })

const keys = (extern: NodeExtern): string[] =>
  (extern.nodes ?? []).flatMap((child) => [child.key, ...keys(child)])

describe('get', () => {
  test('an empty store has a root', () => {
    expect(store.get('/')).toEqual(event('get', 0, directory('/', 0, 0, [])))
  })

  test('a file', () => {
    store.set('/a', 'x')
    store.set('/b', 'y')
    expect(store.get('a/')).toEqual(event('get', 2, file('/a', 'x', 1)))
  })

  test('a directory lists one level, or all', () => {
    store.set('/a/b/c', 'x')
    expect(store.get('/a').node).toEqual(directory('/a', 1, 1, [directory('/a/b', 1)]))
    expect(store.get('/a', { recursive: true }).node).toEqual(
      directory('/a', 1, 1, [directory('/a/b', 1, 1, [file('/a/b/c', 'x', 1)])]),
    )
  })

  test('hidden nodes are left out of listings at every level, and read by their own path', () => {
    store.set('/_a/b', '1')
    store.set('/c/_d/e', '2')
    store.set('/c/f', '3')
    expect(keys(store.get('/', { recursive: true }).node)).toEqual(['/c', '/c/f'])
    expect(keys(store.get('/_a', { recursive: true }).node)).toEqual(['/_a/b'])
    expect(keys(store.get('/c/_d').node)).toEqual(['/c/_d/e'])
    expect(store.get('/c/_d/e').node.value).toBe('2')
  })

  test('sorted orders every level by key, bytewise', () => {
    for (const key of ['/b/z', '/b/a', '/é', '/\xff', '/Z', '/a', '/aa', '/a-']) store.set(key, '')
    const sorted = store.get('/', { recursive: true, sorted: true }).node
    expect(keys(sorted)).toEqual(['/Z', '/a', '/a-', '/aa', '/b', '/b/a', '/b/z', '/é', '/\xff'])
  })

  test('a path may hold any byte', () => {
    for (const key of ['/\0', '/\n', '/a b', '/\xff\xfe', '/"', '/...']) {
      store.set(key, key)
      expect(store.get(key).node).toMatchObject({ key, value: key })
    }
  })
})

describe('set', () => {
  test('makes a file, and the directories on the way', () => {
    expect(store.set('/a/b', 'x')).toEqual(event('set', 1, file('/a/b', 'x', 1)))
    expect(store.get('/a').node).toMatchObject({ dir: true, createdIndex: 1, modifiedIndex: 1 })
  })

  test('replaces a file, whose createdIndex and TTL it does not keep', () => {
    store.set('/a', 'x', inSeconds(10))
    expect(store.set('/a', 'y')).toEqual(
      event('set', 2, file('/a', 'y', 2), leased(file('/a', 'x', 1), 10)),
    )
    expect(store.leases).toBe(0)
    expect(store.set('/a', 'z', inSeconds(5)).node).toEqual(leased(file('/a', 'z', 3), 5))
  })

  test('a directory may take the place of a file', () => {
    store.set('/a', 'x')
    expect(store.setDirectory('/a')).toEqual(
      event('set', 2, directory('/a', 2), file('/a', 'x', 1)),
    )
    expect(store.files).toBe(0)
    expect(store.setDirectory('/b/c', inSeconds(3)).node).toEqual(leased(directory('/b/c', 3), 3))
  })
})

describe('create', () => {
  test('makes a file or a directory', () => {
    expect(store.create('/a/b', 'x')).toEqual(event('create', 1, file('/a/b', 'x', 1)))
    expect(store.createDirectory('/c', inSeconds(3))).toEqual(
      event('create', 2, leased(directory('/c', 2), 3)),
    )
  })

  test('in-order keys are made of the new index', () => {
    store.set('/a', 'x')
    expect(store.create('/queue', '1', { unique: true }).node.key).toBe(
      '/queue/00000000000000000002',
    )
    expect(store.createDirectory('/', { unique: true }).node).toEqual(
      directory('/00000000000000000003', 3),
    )
  })
})

describe('update', () => {
  test('changes the value and keeps the createdIndex', () => {
    store.set('/a', 'x')
    expect(store.update('/a', 'y', inSeconds(4))).toEqual(
      event('update', 2, leased(file('/a', 'y', 2, 1), 4), file('/a', 'x', 1)),
    )
  })

  test('makes permanent what is given no TTL', () => {
    store.set('/a', 'x', inSeconds(10))
    expect(store.update('/a', 'y').node.expiration).toBeUndefined()
    expect(store.hasTtlKeys()).toBe(false)
  })

  test('gives a directory a TTL, and the node keeps the index', () => {
    store.set('/a/b', 'x')
    const updated = store.update('/a', '', inSeconds(4))
    expect(updated).toEqual(
      event('update', 2, leased(directory('/a', 2, 1), 4), directory('/a', 1)),
    )
    expect(store.get('/a').node.modifiedIndex).toBe(2)
  })
})

describe('a refresh', () => {
  const refresh = () => ({ ...inSeconds(20), refresh: true })

  test.each<[string, () => Event, number]>([
    ['set', () => store.set('/a', '', refresh()), 2],
    ['update', () => store.update('/a', '', refresh()), 1],
    ['compareAndSwap', () => store.compareAndSwap('/a', { prevIndex: 1 }, '', refresh()), 1],
  ])(
    'by %s keeps the value, sets the TTL, and shows in the history to nobody',
    (_, run, created) => {
      const seen: Event[] = []
      store.set('/a', 'x', inSeconds(10))
      store.watch('/', { recursive: true, stream: true }, (one) => seen.push(one))
      const result = run()
      expect(result.node).toEqual(leased(file('/a', 'x', 2, created), 20))
      expect(result).toMatchObject({ index: 2, refresh: true, prevNode: { ttl: 10 } })
      expect(store.get('/a').node).toEqual(result.node)
      expect([...store.history].at(-1)).toBe(result)
      expect(seen).toEqual([])
      expect(store.findEvent('/a', false, 2)).toBeUndefined()
    },
  )

  test('by setDirectory makes a directory of a file', () => {
    store.set('/a', 'x')
    expect(store.setDirectory('/a', refresh())).toMatchObject({
      refresh: true,
      node: { dir: true },
    })
  })
})

describe('compareAndSwap and compareAndDelete', () => {
  test.each([{ prevValue: 'x' }, { prevIndex: 1 }, { prevValue: 'x', prevIndex: 1 }])(
    'do it where %j holds',
    (conditions) => {
      store.set('/a', 'x')
      expect(store.compareAndSwap('/a', conditions, 'y', inSeconds(4))).toEqual(
        event('compareAndSwap', 2, leased(file('/a', 'y', 2, 1), 4), file('/a', 'x', 1)),
      )
      store.set('/b', 'x')
      const { modifiedIndex } = store.get('/b').node
      const same = conditions.prevIndex === undefined ? conditions : { ...conditions, prevIndex: 3 }
      expect(modifiedIndex).toBe(3)
      expect(store.compareAndDelete('/b', same)).toEqual(
        event('compareAndDelete', 4, file('/b', undefined, 4, 3), file('/b', 'x', 3)),
      )
      expect(() => store.get('/b')).toThrow('Key not found')
    },
  )
})

describe('delete', () => {
  test('a file', () => {
    store.set('/a', 'x', inSeconds(9))
    expect(store.delete('/a')).toEqual(
      event('delete', 2, file('/a', undefined, 2, 1), leased(file('/a', 'x', 1), 9)),
    )
    expect([store.files, store.leases]).toEqual([0, 0])
  })

  test('an empty directory, or one with all below it', () => {
    store.createDirectory('/a')
    expect(store.delete('/a', { dir: true })).toEqual(
      event('delete', 2, directory('/a', 2, 1), directory('/a', 1)),
    )
    store.set('/a/b/c', 'x')
    expect(store.delete('/a', { recursive: true })).toEqual(
      event('delete', 4, directory('/a', 4, 3), directory('/a', 3)),
    )
    expect(store.files).toBe(0)
    expect(store.get('/').node.nodes).toEqual([])
  })

  test('leaves nothing of the leases below, now or later', () => {
    for (let i = 0; i < 1000; i++) store.set(`/a/${i % 10}/${i}`, 'x', inSeconds(9))
    store.delete('/a', { recursive: true })
    expect(store.leases).toBeGreaterThan(900)
    while (store.reclaim(7));
    expect(store.leases).toBe(0)
    expect(store.hasTtlKeys()).toBe(false)
    clock.advance(10_000)
    expect(store.deleteExpiredKeys(clock.now())).toBe(0)
    expect(store.index).toBe(1001)
  })

  test('leases of what has been removed count for nothing', () => {
    for (let i = 0; i < 1000; i++) store.set(`/a/${i}`, 'x', inSeconds(9))
    store.delete('/a', { recursive: true })
    expect(store.hasTtlKeys()).toBe(false)
    expect(store.leases).toBe(0)
  })

  test('a removed directory makes way at once for a new one', () => {
    for (let i = 0; i < 1000; i++) store.set(`/a/${i}`, 'old', inSeconds(9))
    store.delete('/a', { recursive: true })
    store.set('/a/5', 'new', inSeconds(20))
    clock.advance(10_000)
    expect(store.deleteExpiredKeys(clock.now())).toBe(0)
    expect(keys(store.get('/a').node)).toEqual(['/a/5'])
    while (store.reclaim(100));
    expect(store.leases).toBe(1)
  })
})

test('a copy goes its own way, watchers excepted', () => {
  store.set('/a/b', 'x', inSeconds(5))
  store.watch('/a', { stream: true }, () => expect.fail('the copy has no watchers'))
  const copy = store.clone()
  expect(copy.save()).toBe(store.save().replace('"watchers":1', '"watchers":0'))
  copy.delete('/a', { recursive: true })
  expect(store.get('/a/b').node.value).toBe('x')
  expect([copy.index, store.index]).toEqual([2, 1])
  expect([copy.files, store.files]).toEqual([0, 1])
})

test('the version of the data model', () => {
  expect(store.version).toBe(2)
})
