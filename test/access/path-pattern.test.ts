import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { PathPattern } from '../../src/access/path-pattern.ts'
import { cleanPath } from '../../src/store/path.ts'
import { matchGlob } from '../../src/text/glob.ts'
import { collectGarbage } from '../server/memory.ts'

test.each([
  [['app/*', '/app/*', 'app/../app/*', '//app/./x/../*', './app/*', 'app\\/*'], '/app/*'],
  [['app', '/app', 'app/', 'app/.', 'x/../app'], '/app'],
  [['', '/', '.', '..', 'a/..', '/../..'], '/'],
  [['*'], '/*'],
  [['[a/b]c/../d[/]e/'], '/d[/]e'],
  [['a/[.]/b', 'a/./[.]/x/../b'], '/a/[.]/b'],
  [['a/?./*'], '/a/?./*'],
  [['a/\\..', 'a/.\\.'], '/'],
  [['[', 'x/../['], '/['],
  [['a/[b/../c'], '/a/[b/../c'],
  [['\\'], '/\\'],
])('%j are one pattern', (patterns, text) => {
  for (const pattern of patterns)
    expect([pattern, new PathPattern(pattern).text]).toEqual([pattern, text])
})

test.each([
  ['app/*', ['/app/x', '/app/x/y', '/app/_x'], ['/app', '/apple', '/x/app/y', '/']],
  ['app*', ['/app', '/apple', '/app/x'], ['/ap', '/x/app']],
  ['app', ['/app'], ['/app/x', '/apple', '/']],
  ['*x', ['/x', '/a/x', '/ax'], ['/x/a', '/']],
  ['a?c/[xy]*', ['/abc/x', '/a.c/y/z'], ['/abc/z', '/abc']],
  ['a\\*', ['/a*'], ['/ab', '/a']],
  ['', ['/'], ['/x']],
  ['*', ['/', '/a', '/a/b'], []],
])('%s matches %j, and not %j', (text, matched, others) => {
  const pattern = new PathPattern(text)
  const matches = (path: string): boolean[] => [
    pattern.matches(path, 1),
    // A key without the slash in front is the same path.
    path === '/' ? pattern.matches(path, 1) : pattern.matches(path.slice(1), 0),
  ]
  for (const path of matched) expect([path, ...matches(path)]).toEqual([path, true, true])
  for (const path of others) expect([path, ...matches(path)]).toEqual([path, false, false])
})

test.each([
  ['*', ['/', '/a'], []],
  ['/', [], ['/', '/a']],
  ['app/*', ['/app', '/app/x', '/app/x/y'], ['/', '/ap', '/apple', '/x']],
  ['app*', ['/app', '/apple', '/app/x'], ['/', '/ap']],
  ['app', [], ['/app', '/app/x']],
  ['app/**', ['/app'], ['/']],
  ['app/*x', [], ['/app', '/app/x']],
  ['app/?*', [], ['/app']],
  ['a\\*/*', ['/a*'], ['/ab']],
])('%s covers all below %j, and not below %j', (text, covered, others) => {
  const pattern = new PathPattern(text)
  for (const path of covered) expect([path, pattern.coversBelow(path)]).toEqual([path, true])
  for (const path of others) expect([path, pattern.coversBelow(path)]).toEqual([path, false])
})

const letters = fc.constantFrom(...'aab//..*?[]^-\\_')
const text = fc.array(letters, { maxLength: 9 }).map((all) => all.join(''))

test('a cleaned pattern is the cleaned path, where nothing in it is a wildcard', () => {
  const plain = fc.array(fc.constantFrom(...'ab//..'), { maxLength: 9 }).map((all) => all.join(''))
  fc.assert(
    fc.property(plain, (path) => {
      expect(new PathPattern(path).text).toBe(cleanPath(path))
    }),
  )
})

test('cleaning changes nothing a second time, and the short ways match as the glob does', () => {
  fc.assert(
    fc.property(text, fc.array(text, { maxLength: 8 }), (written, keys) => {
      const pattern = new PathPattern(written)
      expect(new PathPattern(pattern.text).text).toBe(pattern.text)
      for (const key of keys) {
        const path = cleanPath(key)
        expect([path, pattern.matches(path, 1)]).toEqual([path, matchGlob(pattern.text, path)])
      }
    }),
    { numRuns: 3000 },
  )
})

test('what a pattern covers it matches, whatever lies there; and what a tree pattern matches', () => {
  fc.assert(
    fc.property(text, text, text, text, (written, above, below, listened) => {
      const pattern = new PathPattern(written)
      const directory = cleanPath(above)
      const path = cleanPath(`${directory}/${below.replaceAll('..', '')}`)
      if (path !== directory && path.startsWith(directory) && pattern.coversBelow(directory)) {
        expect(matchGlob(pattern.text, path)).toBe(true)
      }
      const glob = `/${listened}`
      if (pattern.coversPattern(glob) && matchGlob(glob, path)) {
        expect(matchGlob(pattern.text, path)).toBe(true)
      }
    }),
    { numRuns: 5000 },
  )
})

test.each([
  ['stars', '*x'.repeat(8000)],
  ['components', 'ab/'.repeat(5000)],
])('a long pattern of %s is read without an object for each byte', (_, written) => {
  const pattern = `*${written}`
  new PathPattern(pattern)
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  const { text } = new PathPattern(pattern)
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(128 * text.length)
})

test('what is covered below a path is found out without a copy of the path', () => {
  const path = `/${'x'.repeat(15_000)}`
  const patterns = ['b*', 'x*', path, `${path}*`, `${path}/*`, `${path}/x*`].map(
    (pattern) => new PathPattern(pattern),
  )
  const compared = new Set<number>()
  const { startsWith } = String.prototype
  String.prototype.startsWith = function (this: string, ...args) {
    if (args[0].length < 9) compared.add(this.length)
    return startsWith.apply(this, args)
  }
  onTestFinished(() => {
    String.prototype.startsWith = startsWith
  })
  const covered = patterns.map((pattern) => pattern.coversBelow(path))
  expect(covered).toEqual([false, true, false, true, true, false])
  expect([...compared]).toEqual([path.length])
})

test('what is covered below a path is what begins with the path and a slash', () => {
  const part = fc.constantFrom('/', '/a', '/ab', '/a/b', '/ab/a', '/b')
  fc.assert(
    fc.property(part, part, fc.constantFrom('', '/', 'a'), (path, start, end) => {
      const below = path === '/' ? path : `${path}/`
      const pattern = new PathPattern(`${start}${end}*`)
      const covers = below.startsWith(pattern.text.slice(0, -1))
      expect(pattern.coversBelow(path)).toBe(covers)
    }),
  )
})
