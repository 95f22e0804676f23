import { expect, test } from 'vitest'
import { circlesOf, importsOf, sourceFiles } from './imports.ts'

/**
 * The floors of the house, from the top: a file imports from its own floor and from those below. A
 * file belongs to the longest path that it begins with.
 */
const FLOORS: readonly (readonly string[])[] = [
  ['src/main.ts', 'src/index.ts'],
  ['src/launch/'],
  ['src/program.ts'],
  ['src/cli/'],
  ['src/docs/', 'src/transfer/', 'src/library/'],
  ['src/server/'],
  ['src/log/apply.ts'],
  ['src/commands/'],
  ['src/request/'],
  ['src/keyspace/'],
  ['src/pubsub/'],
  ['src/access/', 'src/metrics/'],
  ['src/persistence/', 'src/log/'],
  ['src/config/'],
  ['src/request/arguments/'],
  ['src/resp/', 'src/store/', 'src/rdb/'],
  ['src/text/', 'src/version.ts'],
]

const files = sourceFiles()
const imports = importsOf(files)

/** @returns -1 for a file of no floor */
function floorOf(path: string): number {
  let floor = -1
  let longest = 0
  for (const [i, rooms] of FLOORS.entries()) {
    for (const room of rooms) {
      if (path.startsWith(room) && room.length > longest) {
        floor = i
        longest = room.length
      }
    }
  }
  return floor
}

test('imports name files that exist', () => {
  const targets = [...imports.values()].flat()
  expect(targets.length).toBeGreaterThan(500)
  expect(targets.filter((path) => !files.has(path))).toEqual([])
})

test('no files import each other in a circle', () => {
  expect(circlesOf(imports)).toEqual([])
})

test('every file has a floor, and imports from no floor above', () => {
  expect([...files.keys()].filter((path) => floorOf(path) < 0)).toEqual([])
  const upward = [...imports].flatMap(([path, targets]) =>
    targets.filter((target) => floorOf(target) < floorOf(path)).map((to) => `${path} -> ${to}`),
  )
  expect(upward).toEqual([])
})

test('a circle and an upward import are found', () => {
  const circle = new Map([
    ['a', ['b']],
    ['b', ['c']],
    ['c', ['a']],
    ['d', ['a']],
  ])
  expect(circlesOf(circle)).toEqual([['a', 'b', 'c']])
  expect(floorOf('src/request/arguments/integer.ts')).toBeGreaterThan(
    floorOf('src/request/gate.ts'),
  )
})

test('rooms stay small: few files on a floor of their own, and no file too long', () => {
  const directly = (folder: string): number =>
    [...files.keys()].filter(
      (path) => path.startsWith(folder) && !path.slice(folder.length).includes('/'),
    ).length
  expect(directly('src/commands/')).toBeLessThanOrEqual(4)
  expect(directly('src/')).toBeLessThanOrEqual(6)
  const long = [...files].filter(([, text]) => text.split('\n').length > 451).map(([path]) => path)
  expect(long).toEqual([])
})
