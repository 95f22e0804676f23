import { expect, test } from 'vitest'
import type { Subscriber } from '../../src/pubsub/subscriber.ts'
import { MAX_LITERAL_BYTES, TreePatterns } from '../../src/pubsub/tree-patterns.ts'
import { matchGlob } from '../../src/text/glob.ts'
import { SeededRandom } from '../persistence/seeded-random.ts'

const client = {} as Subscriber

/** How many patterns are compared with a key. */
function triedBy(patterns: TreePatterns, key: string): number {
  const before = patterns.tried
  patterns.matching(key)
  return patterns.tried - before
}

test('a key is compared with the patterns of its directories alone', () => {
  const patterns = new TreePatterns()
  for (let i = 0; i < 1000; i++) {
    patterns.add(`/apps/${i}/*`, client)
    patterns.add(`/jobs/${i}`, client)
  }
  expect(triedBy(patterns, '/jobs/7')).toBe(1)
  expect(triedBy(patterns, '/jobs')).toBe(0)
  expect(triedBy(patterns, '/apps/7/a/b')).toBe(1)
  expect(patterns.matching('/apps/7/a/b').map(({ pattern }) => pattern)).toEqual(['/apps/7/*'])
  expect(patterns.workAround('/apps/7').most).toBe(1)
  expect(patterns.workAround('/apps').most).toBe(1000)
  expect(patterns.workAround('/').most).toBe(2000)
  expect(patterns.workAround('/other').most).toBe(0)
})

test('a long pattern is kept at the beginning of its path', () => {
  const patterns = new TreePatterns()
  const long = `/${'a/'.repeat(MAX_LITERAL_BYTES)}b`
  patterns.add(long, client)
  expect(patterns.matching(long).map(({ pattern }) => pattern)).toEqual([long])
  expect(patterns.workAround(long).most).toBe(1)
  patterns.remove(long, client)
  expect(patterns.size).toBe(0)
})

test('patterns match as if each were compared with each key, whatever comes and goes', () => {
  const random = new SeededRandom(20)
  const parts = ['/', '/', 'a', 'b', '*', '?', '[ab]', '\\a', '//', '.', 'a/b', '/a/b/']
  const some = (): string => random.oneOf(parts)
  const patterns = new TreePatterns()
  const known = new Set<string>()
  const keys = ['/', '/a', '/b', '/a/b', '/a/b/a', '/ab', '/a/ab/b', '/b/a', '/a/./b', '/a/b/a/b']
  for (let round = 0; round < 3000; round++) {
    const pattern = `/${Array.from({ length: random.between(0, 5) }, some).join('')}`
    if (known.delete(pattern)) patterns.remove(pattern, client)
    else {
      known.add(pattern)
      patterns.add(pattern, client)
    }
    const key = random.oneOf(keys)
    const expected = [...known].filter((each) => matchGlob(each, key))
    const matching = patterns.matching(key).map((each) => each.pattern)
    expect(matching.sort()).toEqual(expected.sort())
    expect(patterns.workAround(key).here).toBeGreaterThanOrEqual(triedBy(patterns, key))
    expect(patterns.workAround('/').most).toBe(known.size)
  }
  for (const pattern of known) patterns.remove(pattern, client)
  expect(patterns.workAround('/').most).toBe(0)
  expect(triedBy(patterns, '/a/b')).toBe(0)
})
