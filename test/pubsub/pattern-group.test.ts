import { describe, expect, test } from 'vitest'
import type { PatternWork } from '../../src/pubsub/pattern-work.ts'
import type { Subscriber } from '../../src/pubsub/subscriber.ts'
import { TreePatterns } from '../../src/pubsub/tree-patterns.ts'
import { MoveWork } from '../../src/store/rename.ts'
import { matchGlob } from '../../src/text/glob.ts'
import { SeededRandom } from '../persistence/seeded-random.ts'

/** One for each pattern, because a client may listen to few that name nothing. */
const clients = new Map<string, Subscriber>()
const COUNT = 10_000

function clientOf(pattern: string): Subscriber {
  const client = clients.get(pattern) ?? ({} as Subscriber)
  clients.set(pattern, client)
  return client
}

function add(patterns: TreePatterns, pattern: string): void {
  patterns.add(pattern, clientOf(pattern))
}

/** How many patterns each key is compared with, at most. */
function mostTried(patterns: TreePatterns, keys: readonly string[]): number {
  const tried = keys.map((key) => {
    const before = patterns.tried
    patterns.matching(key)
    return patterns.tried - before
  })
  return Math.max(...tried)
}

function patternsOf(make: (i: number) => string): TreePatterns {
  const patterns = new TreePatterns()
  for (let i = 0; i < COUNT; i++) add(patterns, make(i))
  return patterns
}

const namesOf = (patterns: TreePatterns, key: string) =>
  patterns.matching(key).map(({ pattern }) => pattern)

describe('a key is compared with few of many patterns of one directory', () => {
  const keys = Array.from({ length: 200 }, (_, i) => `/u/${i}/leaf-${i * i}`)

  test.each([
    ['that end alike', (i: number) => `/*z${i}`],
    ['that begin alike', (i: number) => `/user-${i}-*`],
    ['that name only what is in the middle', (i: number) => `/*-${i}-*`],
    ['that name it between classes', (i: number) => `/[^x]*${i}b[0-9]\\c?`],
    [
      'that name only little',
      (i: number) => `/${'?'.repeat(1 + (i >> 8))}*${String.fromCharCode(i & 255)}*`,
    ],
  ])('%s', (_, make) => {
    expect(mostTried(patternsOf(make), keys)).toBeLessThan(COUNT / 10)
  })

  test('and with all that name nothing', () => {
    const patterns = new TreePatterns()
    for (let i = 0; i < 1000; i++) add(patterns, `/[a-z]${'?'.repeat(i)}*`)
    expect(mostTried(patterns, keys)).toBe(1000)
  })
})

test('how many patterns the keys below a path are compared with is known from their names', () => {
  const random = new SeededRandom(7)
  const parts = ['/', 'a', 'b', 'ab', '*', '?', '[ab]', '*b*a', 'bab', '/a/b/', '/a/', '\\a']
  const names = ['a', 'b', 'ab', 'bab', 'aaaa', 'abba']
  const some = (): string => random.oneOf(parts)
  const patterns = new TreePatterns()
  for (let i = 0; i < 400; i++) {
    add(patterns, `/${Array.from({ length: random.between(1, 6) }, some).join('')}`)
  }
  let fewer = 0
  const look = (path: string, work: PatternWork, few: PatternWork, levels: number): void => {
    for (const name of names) {
      const key = path === '/' ? `/${name}` : `${path}/${name}`
      const most = work.enter(name)
      expect(work.here).toBe(most)
      const tried = mostTried(patterns, [key])
      expect(tried).toBeLessThanOrEqual(most)
      const exact = few.enter(name)
      expect(few.here).toBe(exact)
      // And what it takes to look for the key.
      expect(exact - tried).toBeGreaterThanOrEqual(0)
      expect(exact - tried).toBeLessThan(key.length)
      expect(few.bytesBelow).toBeLessThanOrEqual(work.bytesBelow)
      expect(most).toBeLessThanOrEqual(patterns.size + key.length)
      if (most < patterns.size / 2) fewer++
      if (levels > 1) look(key, work, few, levels - 1)
      work.leave()
      few.leave()
    }
  }
  for (const path of ['/', '/a', '/b', '/a/b', '/a/b/a']) {
    look(path, patterns.workAround(path), patterns.workAround(path, 1), 3)
  }
  expect(fewer).toBeGreaterThan(50)
})

test('a move of many nodes is not held to cost more than it does', () => {
  const patterns = patternsOf((i) => `/*z${i}`)
  const work = patterns.workAround('/u')
  let sum = 0
  for (let i = 0; i < 1000; i++) {
    sum += work.enter(`name-${i}`)
    work.leave()
  }
  expect(sum).toBeLessThan(1000 * 60)
})

test('a move of few nodes looks at no patterns but those that their keys are compared with', () => {
  const patterns = new TreePatterns()
  for (let i = 0; i < 5000; i++) add(patterns, `/dir/${i}/*`)
  const work = patterns.workAround('/dir', 2)
  expect(work.looks + work.here).toBeLessThan(5)
  expect(work.enter('7') + work.enter('file')).toBeLessThan(10)
  expect(patterns.workAround('/dir').looks).toBe(5000)
})

test('a comparison with a long key counts as many, at the path it moves to and at the one it expires at', () => {
  const patterns = new TreePatterns()
  add(patterns, '/*[ab]')
  const old = patterns.workAround(`/${'c'.repeat(8000)}`)
  const work = new MoveWork(Number.POSITIVE_INFINITY, patterns.workAround('/d'), () => old)
  work.enter('short', false)
  expect(work.tries).toBe(1)
  work.enter('e'.repeat(8000), false)
  expect(work.tries).toBeGreaterThan(8000 / 16)
  work.leave()
  const { tries } = work
  work.enter('short', true)
  expect(work.tries - tries).toBeGreaterThan(8000 / 16)
})

test('a key in which a pattern is found twice gets it once', () => {
  const patterns = patternsOf((i) => `/*abc${i}*`)
  expect(namesOf(patterns, `/${'abc7/'.repeat(50)}`)).toEqual(['/*abc7*'])
})

test('patterns are forgotten with those who listen', () => {
  const patterns = patternsOf((i) => `/*z${i}`)
  for (let i = 0; i < COUNT; i++) patterns.remove(`/*z${i}`, clientOf(`/*z${i}`))
  expect([patterns.size, mostTried(patterns, ['/z1', '/az12'])]).toEqual([0, 0])
})

test('patterns match in the order in which they came, whatever comes and goes', () => {
  const random = new SeededRandom(21)
  const parts = ['/', 'a', 'b', 'ab', 'ba', '*', '?', '[ab]', '[^a', '\\a', '\\', ']', 'a/b', 'bab']
  const some = (): string => random.oneOf(parts)
  const patterns = new TreePatterns()
  const known = new Set<string>()
  const keys = ['/', '/a', '/ab', '/a/b', '/a/b/a', '/bab', '/a/ab/b', '/ba/bab', '/b]a', '/a/\\a']
  for (let round = 0; round < 6000; round++) {
    // Most of them are kept at the root.
    const pattern = `/${random.oneOf(['*', '?', '[ab]', 'a/'])}${Array.from({ length: random.between(0, 5) }, some).join('')}`
    if (known.delete(pattern)) patterns.remove(pattern, clientOf(pattern))
    else {
      known.add(pattern)
      add(patterns, pattern)
    }
    const key = random.oneOf(keys)
    expect(namesOf(patterns, key)).toEqual([...known].filter((each) => matchGlob(each, key)))
    if (known.size > 90 && random.between(0, 1) === 0) {
      const gone = random.oneOf([...known])
      known.delete(gone)
      patterns.remove(gone, clientOf(gone))
    }
  }
})
