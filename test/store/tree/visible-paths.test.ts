import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import { Store } from '../../../src/store/store.ts'
import type { FileNode } from '../../../src/store/tree/node.ts'
import { pathOf } from '../../../src/store/tree/node.ts'
import { SeededRandom } from '../../persistence/seeded-random.ts'

const LEVELS = 500
const deep = '/a'.repeat(LEVELS)

function planted(paths: Iterable<string>): Store {
  const store = new Store({ clock: new ManualClock(1000) })
  for (const path of paths) store.set(path, 'v')
  return store
}

function filesOf({ fileList }: Store): FileNode[] {
  return Array.from({ length: fileList.length }, (_, i) => fileList.at(i))
}

/** How many directories are looked at for the paths of all files. */
function looksAt(store: Store): number {
  const paths = store.visiblePaths(1000)
  for (const file of filesOf(store)) expect(paths.of(file)).toBe(pathOf(file))
  return paths.looks
}

describe('the directories that deep files have in common are looked at once', () => {
  test.each([
    ['in one directory', (i: number) => `${deep}/${i}`, 1],
    ['in directories side by side', (i: number) => `${deep}/${i}/x`, 2],
    ['in directories of many levels', (i: number) => `${deep}/${i}/b/c/d/e/f`, 8],
    ['of other directories in between', (i: number) => (i % 2 ? `/${i}` : `${deep}/${i}`), 1],
    ['in two deep directories in turn', (i: number) => `${i % 2 ? '/b' : ''}${deep}/${i}`, 1],
  ])('%s', (_, pathAt, most) => {
    const store = planted(Array.from({ length: 1000 }, (__, i) => pathAt(i)))
    expect(looksAt(store)).toBeLessThan(2 * most * 1000 + 4 * LEVELS)
  })
})

test('so are those of 500 deep directories in turn, because what is kept of each shares its characters', () => {
  const chain = (i: number): string => `/c${i % 500}${deep}`
  const store = planted(Array.from({ length: 2000 }, (_, i) => `${chain(i)}/${i}`))
  expect(looksAt(store)).toBeLessThan(500 * (LEVELS + 10) + 2000)
})

test('a file is visible if neither it nor a directory above it has expired, and it is in the tree', () => {
  const random = new SeededRandom(5)
  const name = (): string => random.oneOf(['a', 'b'])
  const place = (): string => `/${Array.from({ length: random.between(1, 40) }, name).join('/')}`
  const clock = new ManualClock(1000)
  const store = new Store({ clock })
  const attempt = (write: () => void): void => {
    try {
      write()
    } catch {}
  }
  for (let i = 0; i < 400; i++) attempt(() => store.set(`${place()}/f${i}`, 'v'))
  for (let i = 0; i < 10; i++)
    attempt(() => store.update(place(), '', { expireTime: 1000 + 10 * i }))
  for (let i = 0; i < 40; i++) {
    const { key } = { key: `${place()}` }
    attempt(() => store.delete(key, { recursive: true }))
  }
  const files = filesOf(store)
  let visible = 0
  for (clock.advance(1); clock.now() < 1100; clock.advance(25)) {
    const now = clock.now()
    const paths = store.visiblePaths(now)
    for (const file of [...files, ...files.reverse()]) {
      const isVisible = store.isVisible(file, now)
      expect(paths.of(file)).toBe(isVisible ? pathOf(file) : undefined)
      if (isVisible) visible++
    }
  }
  expect(visible).toBeGreaterThan(100)
  expect(visible).toBeLessThan(files.length * 8)
})
