import { describe, expect, test } from 'vitest'
import { isWatched } from '../../../src/store/history/watched.ts'
import { Store } from '../../../src/store/store.ts'

/** The event of the last of some operations on one store. */
function eventOf(run: (store: Store) => unknown) {
  const store = new Store()
  run(store)
  return [...store.history][store.history.size - 1]
}

const set = (path: string) => eventOf((store) => store.set(path, '1'))
const removed = (path: string) =>
  eventOf((store) => {
    store.set(`${path}/x`, '1')
    store.delete(path, { recursive: true })
  })
const deleted = (path: string) =>
  eventOf((store) => {
    store.set(path, '1')
    store.delete(path)
  })

describe('isWatched', () => {
  test.each([
    ['at the path', set('/a/b'), '/a/b', false, true],
    ['below, not recursive', set('/a/b'), '/a', false, false],
    ['below', set('/a/b'), '/a', true, true],
    ['far below', set('/a/b/c/d'), '/a', true, true],
    ['below the root', set('/a'), '/', true, true],
    ['in a directory of like name', set('/ab/c'), '/a', true, false],
    ['above', set('/a'), '/a/b', true, false],
    ['a hidden node below', set('/a/_b'), '/a', true, false],
    ['behind a hidden component below', set('/a/_b/c'), '/a', true, false],
    ['behind a hidden component below the root', set('/a/_b/c'), '/', true, false],
    ['below a hidden path', set('/a/_b/c'), '/a/_b', true, true],
    ['at a hidden path', set('/a/_b'), '/a/_b', false, true],
    ['the removal of a directory above', removed('/a'), '/a/b/c', false, true],
    ['the removal of a hidden directory above', removed('/a/_b'), '/a/_b/c', false, true],
    ['the removal of a hidden directory below', removed('/a/_b'), '/a', true, false],
    ['the removal of a directory of like name', removed('/a'), '/ab', false, false],
    ['the deletion of a file above', deleted('/a'), '/a/b', false, false],
  ])('%s', (_, event, path, recursive, seen) => {
    expect(isWatched(event, path, recursive)).toBe(seen)
  })

  test('nobody sees a refresh', () => {
    const event = eventOf((store) => {
      store.set('/a', '1', { expireTime: store.clock.now() + 1000 })
      store.update('/a', '', { expireTime: store.clock.now() + 2000, refresh: true })
    })
    expect(event.refresh).toBe(true)
    expect(isWatched(event, '/a', false)).toBe(false)
    expect(isWatched(event, '/', true)).toBe(false)
  })
})
