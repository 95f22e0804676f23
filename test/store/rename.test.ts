import { beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { PathError } from '../../src/store/errors.ts'
import type { Event } from '../../src/store/event.ts'
import { MoveWork } from '../../src/store/rename.ts'
import { Store } from '../../src/store/store.ts'

const clock = new ManualClock()
let store: Store
let seen: Event[]

beforeEach(() => {
  store = new Store({ clock })
  seen = []
})

/** What watchers are told, in short: `delete /a`, `set /b=1`. */
const told = (): string[] =>
  seen.map(
    ({ action, node }) =>
      `${action} ${node.key}${node.value === undefined ? '' : `=${node.value}`}`,
  )

const watch = (path: string, recursive = true): void => {
  store.watch(path, { recursive, stream: true }, (event) => seen.push(event))
}

/** Indexes follow each other, and nodes carry those of their events. */
function expectInOrder(): void {
  for (const [i, { index, node }] of seen.entries()) {
    expect(index).toBe(seen[0].index + i)
    expect(node.modifiedIndex).toBe(index)
  }
  expect(store.index).toBe(seen.at(-1)?.index)
}

describe('a file', () => {
  test('is deleted at its old path and set at the new one, with its value and TTL', () => {
    const expireTime = clock.now() + 5000
    store.set('/a/x', '1', { expireTime })
    watch('/')
    store.rename('/a/x', '/b/y')
    expect(told()).toEqual(['delete /a/x', 'set /b/y=1'])
    expectInOrder()
    expect(seen[1].prevNode).toBeUndefined()
    expect(store.get('/b/y').node).toMatchObject({ expiration: expireTime, createdIndex: 3 })
    // The directory that has been made on the way is as old as what it was made for.
    expect(store.get('/b').node.createdIndex).toBe(3)
    expect(store.get('/a').node.dir).toBe(true)
    expect([store.files, store.leases]).toEqual([1, 1])
  })

  test('replaces a file, and its TTL', () => {
    store.set('/a', '1')
    store.set('/b', '2', { expireTime: clock.now() + 5000 })
    watch('/')
    store.rename('/a', '/b')
    expect(told()).toEqual(['delete /a', 'set /b=1'])
    expect(seen[1].prevNode?.value).toBe('2')
    expect([store.files, store.leases]).toEqual([1, 0])
  })

  test('replaces one whose time has passed, which expires first', () => {
    store.set('/a', '1')
    store.set('/b/c', '2', { expireTime: clock.now() + 10 })
    clock.advance(10)
    watch('/')
    store.rename('/a', '/b/c')
    expect(told()).toEqual(['expire /b/c', 'delete /a', 'set /b/c=1'])
  })

  test('stays where it is when it is moved onto itself', () => {
    store.set('/a', '1')
    store.rename('/a', 'b/../a/')
    expect(store.index).toBe(1)
  })
})

describe('a directory', () => {
  beforeEach(() => {
    store.set('/old/x', '1')
    store.set('/old/sub/y', '2', { expireTime: clock.now() + 5000 })
    store.createDirectory('/old/empty')
    store.set('/old/_h/z', '3')
  })

  test('is deleted at its old path, and every node is set at its new one, parents first', () => {
    watch('/')
    store.rename('/old', '/new/place')
    expect(told()).toEqual([
      'delete /old',
      'set /new/place',
      'set /new/place/empty',
      'set /new/place/sub',
      'set /new/place/sub/y=2',
      'set /new/place/x=1',
    ])
    expect(store.index).toBe(4 + 8)
    for (const { node } of seen.slice(1)) {
      expect(store.get(node.key).node).toEqual({
        ...node,
        nodes: node.dir ? expect.anything() : undefined,
      })
    }
    expect(store.get('/new/place/_h/z').node.value).toBe('3')
    expect(store.lookup('/old')).toBeUndefined()
    expect([store.files, store.leases, store.lookup('/new')?.dir]).toEqual([3, 1, true])
    expect(store.needsReclaim).toBe(false)
  })

  test('is seen by those who wait at its new place, and by those who watch its old one', () => {
    watch('/new/sub/y', false)
    watch('/old/sub/y', false)
    watch('/new/_h')
    store.rename('/old', '/new')
    expect(told()).toEqual(['delete /old', 'set /new/_h', 'set /new/_h/z=3', 'set /new/sub/y=2'])
  })

  test('can be followed from any index of the history', () => {
    store.rename('/old', '/new')
    const replayed: Event[] = []
    store.watch('/', { recursive: true, stream: true, since: 5 }, (event) => replayed.push(event))
    expect(replayed.map(({ action, node }) => `${action} ${node.key}`)).toEqual([
      'delete /old',
      ...['set /new', 'set /new/empty', 'set /new/sub', 'set /new/sub/y', 'set /new/x'],
    ])
  })

  test('takes its TTL along, and what is below it expires where it is then', () => {
    store.update('/old', '', { expireTime: clock.now() + 9000 })
    store.rename('/old', '/new')
    watch('/')
    clock.advance(5000)
    store.deleteExpiredKeys(clock.now())
    clock.advance(4000)
    store.deleteExpiredKeys(clock.now())
    expect(told()).toEqual(['expire /new/sub/y', 'expire /new'])
    expect(store.leases).toBe(0)
  })

  test('leaves what has expired behind, with its event', () => {
    clock.advance(5000)
    watch('/')
    store.rename('/old/sub', '/new')
    expect(told()).toEqual(['expire /old/sub/y', 'delete /old/sub', 'set /new'])
    expect(store.files).toBe(2)
  })

  test('replaces a file', () => {
    store.set('/file', 'f')
    watch('/file')
    store.rename('/old/sub', '/file')
    expect(told()).toEqual(['set /file', 'set /file/y=2'])
    expect(seen[0].prevNode?.value).toBe('f')
    expect(store.files).toBe(3)
    expect(store.fileList.length).toBe(3)
  })

  test('can move up, and be moved again', () => {
    store.rename('/old/sub', '/sub')
    store.rename('/sub', '/old/x2/sub')
    store.rename('/old', '/sub')
    expect(store.get('/sub/x2/sub/y').node.value).toBe('2')
    store.delete('/sub', { recursive: true })
    store.reclaim(Number.POSITIVE_INFINITY)
    expect([store.files, store.leases, store.fileList.length]).toEqual([0, 0, 0])
  })
})

describe('nothing changes when', () => {
  const deep = (levels: number): string => '/d'.repeat(levels)

  test.for<[string, string, string]>([
    ['/nope', '/b', '100 Key not found (/nope)'],
    ['/f/x', '/b', '104 Not a directory (/f)'],
    ['/', '/b', '107 Root is read only (/)'],
    ['/f', '/', '107 Root is read only (/)'],
    ['/f', '/dir', '102 Not a file (/dir)'],
    ['/dir', '/other', '102 Not a file (/other)'],
    ['/f', '/g/x/y', '104 Not a directory (/g)'],
    ['/f', '/f/x', '104 Not a directory (/f)'],
    ['/dir', '/dir/sub/x', 'a directory cannot be moved below itself'],
    ['/dir', deep(1024), 'path is too deep (1025 levels, the limit is 1024)'],
    ['/f', deep(1025), 'path is too deep (1025 levels, the limit is 1024)'],
    ['/dir', `/${'x'.repeat(15_359)}`, 'path is too long (15362 bytes, the limit is 15360)'],
  ])('%s is to become %s: %s', ([from, to, message]) => {
    for (const path of ['/f', '/g', '/dir/x', '/other/x']) store.set(path, '1')
    const before = store.save()
    const error = (): string => {
      try {
        store.rename(from, to)
        return ''
      } catch (thrown) {
        const { code, message: text } = thrown as { code?: number; message: string }
        return code === undefined ? text : `${code} ${text}`
      }
    }
    expect(error()).toBe(message)
    expect(store.stats.setsFail).toBe(1)
    store.stats.setsFail = 0
    expect(store.save()).toBe(before)
  })
})

describe('the paths of all nodes together', () => {
  const long = `/${'x'.repeat(15_000)}`

  beforeEach(() => {
    for (let i = 0; i < 5000; i++) store.set(`/a/${i}`, '')
    store.set('/b', '')
  })

  test.each([
    ['a long name', long],
    ['many levels', '/xxxxxxxxx'.repeat(1000)],
    ['a long name, at the end of other directories', `/c/d${long}`],
  ])('may not be too long: %s', (_, to) => {
    // 30,000 nodes, so that a thousand levels of ten bytes are too much as well.
    for (let i = 5000; i < 30_000; i++) store.set(`/a/${i}`, '')
    const { index } = store
    expect(() => store.rename('/a', to)).toThrow(
      'the new paths of all nodes are too long (more than 268435456 bytes together)',
    )
    expect(store.index).toBe(index)
    expect(store.lookup(to)).toBeUndefined()
    expect(store.files).toBe(30_001)
  })

  test('do not count before the move, nor if they are short', () => {
    store.rename('/a', '/c')
    store.rename('/b', long)
    store.rename(long, '/b')
    expect(store.lookup('/c/4999')).toBeDefined()
  })

  test('are looked at until the first that is refused, and no longer', () => {
    for (let i = 5000; i < 20_000; i++) store.set(`/a/${i}`, '')
    const work = new MoveWork()
    expect(() => store.rename('/a', long, work)).toThrow(PathError)
    // Each of the 17,894 nodes counts as 469, about.
    expect(Math.round(work.nodes / 1000)).toBe(8389)
  })
})

test('a move of very many nodes does not take the memory of other paths that had events', () => {
  const small = new Store({ clock, watchHistory: 50 })
  for (let i = 0; i < 100; i++) small.set(`/a/${i}${'/d'.repeat(60)}/k`, '')
  small.set('/quiet/1', '')
  const { index } = small
  for (let i = 0; i < 100; i++) small.set('/busy', '')
  const { paths } = small.history.dropped
  small.rename('/a', '/b')
  expect(small.index - index).toBeGreaterThan(6000)
  expect(small.history.dropped.paths).toBeLessThan(paths + 10)
  const isKept = (path: string, since: number, recursive = false): boolean => {
    try {
      small.watch(path, { since, recursive }, () => {}).remove()
      return true
    } catch {
      return false
    }
  }
  expect(isKept('/quiet/1', index)).toBe(false)
  expect(isKept('/quiet/1', index + 1)).toBe(true)
  expect(isKept('/quiet', index + 1, true)).toBe(true)
  for (const path of ['/a/7', '/b/7/d', '/b', '/'])
    expect(isKept(path, index + 1, true)).toBe(false)
  expect(isKept('/b/7/d', small.index + 1, true)).toBe(true)
  // Its crowd ends with the move: what comes then is remembered by itself.
  for (let i = 0; i < 200; i++) small.set(`/b/x${i % 3}`, '')
  const since = small.index - 120
  expect(isKept('/b/x1', since)).toBe(false)
  expect(isKept('/b/7', since)).toBe(true)
})

describe('a flush', () => {
  test('is one delete of / that every watcher sees', () => {
    store.set('/a/b', '1', { expireTime: clock.now() + 10 })
    store.set('/_h', '2')
    for (const path of ['/', '/a/b', '/_h', '/nothing/here']) watch(path, false)
    store.flush()
    expect(told()).toEqual(Array(4).fill('delete /'))
    expect(new Set(seen.map(({ index }) => index))).toEqual(new Set([3]))
    expect(seen[0].node.modifiedIndex).toBe(3)
    expect(seen[0].prevNode).toMatchObject({ key: '/', dir: true })
    expect([store.index, store.files, store.leases, store.fileList.length]).toEqual([3, 0, 0, 0])
    expect([store.needsReclaim, store.nextExpiry()]).toEqual([false, undefined])
    expect(store.get('/', { recursive: true }).node.nodes).toEqual([])
  })

  test('stays in the history, which goes on', () => {
    store.set('/a', '1')
    store.flush()
    store.set('/a', '2')
    const actions: string[] = []
    store.watch('/a', { stream: true, since: 1 }, ({ action }) => actions.push(action))
    expect(actions).toEqual(['set', 'delete', 'set'])
    const copy = new Store({ clock })
    copy.recovery(store.save())
    expect(copy.findEvent('/x', false, 1)).toMatchObject({ action: 'delete', index: 2 })
  })

  test('is refused to be overlooked by those who come too late', () => {
    const small = new Store({ clock, watchHistory: 1 })
    small.set('/a', '1')
    small.flush()
    small.set('/b', '1')
    for (const path of ['/', '/a', '/c/d'])
      expect(() => small.findEvent(path, false, 2)).toThrow('outdated')
  })

  test('of nothing is nothing', () => {
    store.flush()
    expect(store.index).toBe(0)
  })
})
