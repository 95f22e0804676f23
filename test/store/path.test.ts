import { posix } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PathError } from '../../src/store/errors.ts'
import {
  absolute,
  checkDepth,
  cleanPath,
  isBelow,
  isHiddenBelow,
  joinPath,
  lastHidden,
  MAX_PATH_DEPTH,
  MAX_PATH_LENGTH,
  tidyPath,
} from '../../src/store/path.ts'

describe('cleanPath', () => {
  test.each([
    ['', '/'],
    ['/', '/'],
    ['//', '/'],
    ['.', '/'],
    ['..', '/'],
    ['/..', '/'],
    ['/../../a', '/a'],
    ['foo//bar/./../baz/', '/foo/baz'],
    ['foo', '/foo'],
    ['/foo/', '/foo'],
    ['/foo/.', '/foo'],
    ['/foo/..', '/'],
    ['/foo/...', '/foo/...'],
    ['/.foo/..bar', '/.foo/..bar'],
    ['/foo\n/..\n', '/foo\n/..\n'],
    ['/a\0b/\xff', '/a\0b/\xff'],
  ])('%j is %j', (path, clean) => {
    expect(cleanPath(path)).toBe(clean)
  })

  const pieces = fc.constantFrom('/', '/', '.', '..', 'a', '_b', '\n', '\xff')
  const paths = fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(''))

  test('agrees with what the operating system makes of a path', () => {
    fc.assert(
      fc.property(paths, (path) => {
        const normal = posix.normalize(`/${path}`)
        expect(cleanPath(path)).toBe(normal === '/' ? '/' : normal.replace(/\/$/, ''))
      }),
      { numRuns: 3000 },
    )
  })

  test('leaves a clean path as it is', () => {
    fc.assert(
      fc.property(paths, (path) => {
        expect(cleanPath(cleanPath(path))).toBe(cleanPath(path))
      }),
    )
  })

  test('finds what is not clean behind long names, too', () => {
    const name = 'x'.repeat(1000)
    for (const length of [254, 255, 256, 257, 258, 1000]) {
      const long = name.slice(0, length)
      expect(cleanPath(`/${long}/a/${long}`)).toBe(`/${long}/a/${long}`)
      expect(cleanPath(`/${long}//a`)).toBe(`/${long}/a`)
      expect(cleanPath(`/${long}/../${long}/./b/`)).toBe(`/${long}/b`)
      expect(cleanPath(`/${long}/..`)).toBe('/')
      expect(cleanPath(`/${long}/`)).toBe(`/${long}`)
    }
  })

  test('refuses a path that is too long', () => {
    const longest = `/${'a'.repeat(MAX_PATH_LENGTH - 1)}`
    expect(cleanPath(longest)).toBe(longest)
    expect(() => cleanPath(`${longest}a`)).toThrow(PathError)
    expect(() => cleanPath(`${longest}a`)).toThrow(
      'path is too long (15361 bytes, the limit is 15360)',
    )
  })
})

describe('tidyPath', () => {
  test.each([
    ['a/b', 'a/b'],
    ['/a/b', '/a/b'],
    ['a/b/', '/a/b'],
    ['a/../b', '/b'],
    ['', '/'],
    ['...', '...'],
    ['.a', '.a'],
    ['a.', 'a.'],
  ])('%j is %j', (path, tidy) => {
    expect(tidyPath(path)).toBe(tidy)
    expect(absolute(tidyPath(path))).toBe(cleanPath(path))
  })
})

test.each([
  ['/', 0],
  ['/a/b_', 0],
  ['/_a', 1],
  ['/_a/_b/c', 4],
  [`${'/a'.repeat(200)}/_b/_${'/c'.repeat(200)}`, 404],
  [`/_a${'/b'.repeat(200)}/c_`, 1],
  [`/_${'a_'.repeat(200)}`, 1],
  ['/a'.repeat(200), 0],
])('lastHidden(%j) is %i', (path, at) => {
  expect(lastHidden(path)).toBe(at)
})

test('checkDepth refuses a path that is too deep', () => {
  expect(() => checkDepth('/a'.repeat(MAX_PATH_DEPTH))).not.toThrow()
  expect(() => checkDepth('/a'.repeat(MAX_PATH_DEPTH + 1))).toThrow(PathError)
})

test('joinPath', () => {
  expect(joinPath('/', 'a')).toBe('/a')
  expect(joinPath('/a', 'b')).toBe('/a/b')
})

test.each([
  ['/a/b', '/a', true],
  ['/a/b/c', '/a', true],
  ['/a', '/', true],
  ['/', '/', false],
  ['/a', '/a', false],
  ['/ab', '/a', false],
  ['/a', '/a/b', false],
])('isBelow(%j, %j) is %j', (path, above, below) => {
  expect(isBelow(path, above)).toBe(below)
})

test.each([
  ['/_a', '/', true],
  ['/a/_b', '/', true],
  ['/a/_b', '/a', true],
  ['/a/_b/c', '/a', true],
  ['/a/_b/c', '/a/_b', false],
  ['/a/_b/c/_d', '/a/_b', true],
  ['/a/b_/c', '/a', false],
])('isHiddenBelow(%j, %j) is %j', (path, above, hidden) => {
  expect(isHiddenBelow(path, above)).toBe(hidden)
})
