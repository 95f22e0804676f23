import { beforeEach, describe, expect, test } from 'vitest'
import { PathError } from '../../src/store/errors.ts'
import { MAX_PATH_DEPTH, MAX_PATH_LENGTH } from '../../src/store/path.ts'
import { Store } from '../../src/store/store.ts'

let store: Store

beforeEach(() => {
  store = new Store()
  store.set('/file', 'x')
  store.set('/directory/below', 'x')
})

type Run = (store: Store) => unknown

const refresh = { refresh: true, expireTime: Date.UTC(2100, 0) }
const conditions = { prevValue: 'y' }

/** Code, cause, operation. */
const failures: [number, string, Run][] = [
  [100, '/nope', (it) => it.get('/nope')],
  [100, '/nope', (it) => it.get('/nope/further/down')],
  [100, '/directory/nope', (it) => it.get('/directory/nope/down')],
  [104, '/file', (it) => it.get('/file/below/x')],

  [107, '/', (it) => it.create('/', '')],
  [107, '/', (it) => it.createDirectory('/')],
  [105, '/file', (it) => it.create('/file', '')],
  [105, '/directory', (it) => it.createDirectory('/directory')],
  [105, '/file', (it) => it.createDirectory('/file')],
  [105, '/directory', (it) => it.create('directory//', '')],
  [104, '/file', (it) => it.create('/file/below/x', '')],
  [104, '/file', (it) => it.create('/file', '', { unique: true })],

  [107, '/', (it) => it.set('/', '')],
  [107, '/', (it) => it.setDirectory('/..')],
  [102, '/directory', (it) => it.set('/directory', '')],
  [102, '/directory', (it) => it.setDirectory('/directory')],
  [104, '/file', (it) => it.set('/file/below', '')],
  [100, '/nope', (it) => it.set('/nope', '', refresh)],
  [100, '/nope', (it) => it.set('/nope/x', '', refresh)],
  [102, '/directory', (it) => it.set('/directory', '', refresh)],

  [107, '/', (it) => it.update('/', '')],
  [100, '/nope', (it) => it.update('/nope/x', '')],
  [102, '/directory', (it) => it.update('/directory', 'x')],
  [104, '/file', (it) => it.update('/file/below', '')],

  [107, '/', (it) => it.compareAndSwap('/', conditions, '')],
  [100, '/nope', (it) => it.compareAndSwap('/nope', conditions, '')],
  [102, '/directory', (it) => it.compareAndSwap('/directory', conditions, '')],
  [104, '/file', (it) => it.compareAndSwap('/file/below', conditions, '')],
  [101, '[y != x]', (it) => it.compareAndSwap('/file', conditions, '')],
  [101, '[ != x]', (it) => it.compareAndSwap('/file', { prevValue: '' }, '')],
  [101, '[2 != 1]', (it) => it.compareAndSwap('/file', { prevIndex: 2 }, '')],
  [101, '[0 != 1]', (it) => it.compareAndSwap('/file', { prevIndex: 0 }, '')],
  [
    101,
    '[y != x] [2 != 1]',
    (it) => it.compareAndSwap('/file', { ...conditions, prevIndex: 2 }, ''),
  ],
  [101, '[y != x]', (it) => it.compareAndSwap('/file', { ...conditions, prevIndex: 1 }, '')],
  [101, '[2 != 1]', (it) => it.compareAndSwap('/file', { prevValue: 'x', prevIndex: 2 }, '')],

  [102, '/', (it) => it.compareAndDelete('/', conditions)],
  [100, '/nope', (it) => it.compareAndDelete('/nope', conditions)],
  [102, '/directory', (it) => it.compareAndDelete('/directory', conditions)],
  [101, '[y != x]', (it) => it.compareAndDelete('/file', conditions)],
  [101, '[2 != 1]', (it) => it.compareAndDelete('/file', { prevIndex: 2 })],

  [107, '/', (it) => it.delete('/', { recursive: true })],
  [100, '/nope', (it) => it.delete('/nope/x', { recursive: true })],
  [104, '/file', (it) => it.delete('/file/below')],
  [102, '/directory', (it) => it.delete('/directory')],
  [108, '/directory', (it) => it.delete('/directory', { dir: true })],
]

/** All that is saved but the counters. */
const saved = (): string => {
  const copy = store.clone()
  copy.stats.reset()
  return copy.save()
}

describe('what the tree does not allow is refused, and changes nothing', () => {
  test.each(failures)('%i (%s) %s', (code, cause, run) => {
    const before = saved()
    expect(() => run(store)).toThrow(expect.objectContaining({ code, cause, index: 2 }))
    expect(saved()).toBe(before)
  })
})

describe('a path too long or too deep is refused, and changes nothing', () => {
  const long = `/${'x'.repeat(MAX_PATH_LENGTH)}`
  const nearlyLong = `/${'x'.repeat(MAX_PATH_LENGTH - 10)}`
  const deep = '/x'.repeat(MAX_PATH_DEPTH + 1)
  const deepest = '/x'.repeat(MAX_PATH_DEPTH)
  test.each<[string, Run]>([
    ['get', (it) => it.get(long)],
    ['set', (it) => it.set(long, '')],
    ['set', (it) => it.set(deep, '')],
    ['create', (it) => it.create(deep, '')],
    ['create with an in-order key', (it) => it.create(nearlyLong, '', { unique: true })],
    ['create with an in-order key', (it) => it.create(deepest, '', { unique: true })],
    ['update', (it) => it.update(long, '')],
    ['delete', (it) => it.delete(long)],
    ['watch', (it) => it.watch(long, {}, () => {})],
  ])('%s', (_, run) => {
    const before = saved()
    expect(() => run(store)).toThrow(PathError)
    expect(saved()).toBe(before)
  })

  test('the deepest and the longest are taken', () => {
    store.set(deepest, '1')
    store.set(long.slice(0, -1), '2')
    expect(store.get(deepest).node.value).toBe('1')
    expect(store.get(long.slice(0, -1)).node.value).toBe('2')
  })
})
