import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { Glob, matchGlob } from '../../src/text/glob.ts'
import { classEnd, classTakes } from '../../src/text/glob-class.ts'
import { GlobSearch } from '../../src/text/glob-search.ts'
import { usedMemory } from '../server/memory.ts'

const MB = 1024 * 1024

describe.each([
  ['*', ['a', '/a/b'], ['']],
  ['', [''], ['a']],
  ['a*b', ['ab', 'axxb', 'abab'], ['a', 'abc', 'xab']],
  ['h?llo', ['hello', 'h\nllo'], ['hllo', 'heello']],
  ['[a-c]x', ['ax', 'cx'], ['dx', 'x']],
  ['[c-a]x', ['ax', 'cx'], ['dx']],
  ['[^a]', ['b'], ['a', '']],
  ['[ab', ['a', 'b'], ['c', '[ab']],
  ['[]', [], ['', ']']],
  ['\\*', ['*'], ['a', '\\*']],
  ['a\\', ['a\\'], ['a']],
  ['[\\]]', [']'], ['\\']],
  ['\xff?', ['\xff\x00'], ['\xff']],
])('%j', (pattern, matching, others) => {
  test('matches whole strings', () => {
    expect(matching.filter((text) => !matchGlob(pattern, text))).toEqual([])
    expect(others.filter((text) => matchGlob(pattern, text))).toEqual([])
  })
})

const CHARS = ['a', 'b', 'c', '-', '^', ']', '[', '\\', '*', '?', '\x80', '\xff']
const some = (units: readonly string[], maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...units), minLength: 1, maxLength })
const part = fc.oneof(
  some(CHARS, 3),
  some(['a', 'b'], 50),
  some(['a', 'b', '?', '[ab]', '[^c]'], 50),
  some(['a'], 100),
  some(['a', 'a', 'a', '?', '[ab]'], 100),
  fc.constantFrom('*', '[a-b]', '[^a]'),
)
const anyPattern = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''))
/** A text that is likely to match: the pattern with something in place of each special character. */
const textFor = (pattern: string): fc.Arbitrary<string> =>
  fc
    .oneof(some(['a', 'b', 'c', '\xff'], 200), some(['a', 'b'], 12), some(['a'], 300))
    .map((filler) =>
      (pattern.replaceAll(/[*]/g, filler).replaceAll(/\[\^?.*?\]|\?/g, 'b') || filler).slice(
        0,
        600,
      ),
    )

/** Notes for each token where in the text it may end, which takes the product of both lengths. */
function matchesByTable(pattern: string, text: string): boolean {
  if (text === '') return pattern === ''
  let ends = [0]
  for (let p = 0; p < pattern.length && ends.length > 0; ) {
    const [first] = ends
    if (pattern[p] === '*') {
      ends = Array.from({ length: text.length - first + 1 }, (_, i) => first + i)
      p++
      continue
    }
    const start = p
    p = pattern[p] === '[' ? classEnd(pattern, p) : p + 1
    if (pattern[start] === '\\' && p < pattern.length) p++
    ends = ends
      .filter((end) => end < text.length && takes(pattern, start, p - 1, text.charCodeAt(end)))
      .map((end) => end + 1)
  }
  return ends.includes(text.length)
}

function takes(pattern: string, start: number, last: number, char: number): boolean {
  if (pattern[start] === '[') return classTakes(pattern, start, char)
  return pattern[start] === '?' || pattern.charCodeAt(last) === char
}

/** A segment that nearly matches everywhere in a text of many `a`, between two stars. */
const hardPattern = fc
  .array(
    fc.oneof(
      fc.nat(60).map((n) => 'a'.repeat(n)),
      fc.constantFrom('?', '[ab]', 'b'),
    ),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .map((parts) => `*${parts.join('')}*`)
const hardTextFor = (pattern: string): fc.Arbitrary<string> =>
  fc.tuple(fc.nat(120), some(['a', 'b'], 3), fc.nat(120)).map(([before, middle, after]) => {
    const found = pattern.replaceAll('*', '').replaceAll(/\[ab\]|\?/g, 'a')
    return `${'a'.repeat(before)}${middle}${'a'.repeat(after)}${found}`
  })

test.each([
  ['any', anyPattern, textFor],
  ['hard', hardPattern, hardTextFor],
])('a search matches the same texts with %s patterns, whatever it takes', (_, globs, texts) => {
  let matched = 0
  fc.assert(
    fc.property(
      globs.chain((pattern) => fc.tuple(fc.constant(pattern), texts(pattern))),
      ([pattern, text]) => {
        const expected = matchesByTable(pattern, text)
        const search = new GlobSearch(pattern)
        expect([search.matches(text), search.matches(text)]).toEqual([expected, expected])
        expect(matchGlob(pattern, text)).toBe(expected)
        if (expected) matched++
      },
    ),
    { numRuns: 3000 },
  )
  expect(matched).toBeGreaterThan(300)
})

test.each([
  ['a*'.repeat(30_000), 'a'.repeat(60_000), true],
  [`*${'a'.repeat(30_000)}b`, 'a'.repeat(60_000), false],
  [`*${'a'.repeat(30_000)}b*`, `${'a'.repeat(60_000)}b`, true],
  [`*${'a?'.repeat(15_000)}b*`, 'a'.repeat(60_000), false],
  [`*${'a?'.repeat(15_000)}b*`, `${'a'.repeat(60_000)}b`, true],
  [`*[${'b'.repeat(60_000)}]`, 'a'.repeat(60_000), false],
])('a long pattern that is hard to match, %#', (pattern, text, expected) => {
  expect(matchGlob(pattern, text)).toBe(expected)
})

test.each([
  `[${'a'.repeat(20_000)}b]*`,
  `[^${'a'.repeat(20_000)}b]*`,
  `*[${'a'.repeat(20_000)}b]`,
  `[${'x-z'.repeat(7000)}b]c`,
])('a long class is read once for many texts, whether it matches or not', (pattern) => {
  const matches = vi.spyOn(GlobSearch.prototype, 'matches')
  const glob = new Glob(pattern)
  for (let i = 0; i < 100; i++) glob.matches('b1')
  const searches = matches.mock.contexts as GlobSearch[]
  matches.mockRestore()
  expect(searches.length).toBeGreaterThan(80)
  expect(new Set(searches).size).toBe(1)
  expect(searches[0].read).toBeLessThan(pattern.length + 500)
})

describe('a thousand patterns of thousands of stars', () => {
  const STARS = 8000
  const pattern = `*${'a'.repeat(190)}b*${'*x'.repeat(STARS)}`

  test('are read as far as a text has what they ask for', () => {
    const search = new GlobSearch(pattern)
    expect(search.matches('a'.repeat(400))).toBe(false)
    expect(search.read).toBeLessThan(200)
    const late = new GlobSearch(`${'*x'.repeat(STARS)}y`)
    expect(late.matches('x'.repeat(STARS))).toBe(false)
    expect(late.read).toBeLessThan(STARS + 10)
    expect(late.matches('x'.repeat(10))).toBe(false)
    expect(late.read).toBeLessThan(STARS + 30)
  })

  test('take less memory than they are long', () => {
    const patterns = Array.from({ length: 1000 }, (_, i) => `${pattern}${i}`)
    const globs = patterns.map((each) => new Glob(each))
    for (const glob of globs) glob.matches('b')
    const before = usedMemory()
    for (const glob of globs) expect(glob.matches('a'.repeat(400))).toBe(false)
    for (const glob of globs) expect(glob.matches('x'.repeat(STARS))).toBe(false)
    expect(usedMemory() - before).toBeLessThan(patterns.length * pattern.length * 0.25)
  })
})

test('a segment is read no further than the text has room for it', () => {
  const search = new GlobSearch(`*${'a?'.repeat(8000)}*`)
  expect(search.matches('a'.repeat(100))).toBe(false)
  expect(search.read).toBeLessThan(150)
})

test('classes that are kept take less memory than the pattern', () => {
  const pattern = `*${`[${'a'.repeat(511)}]`.repeat(31)}b*`
  const searches = Array.from({ length: 500 }, () => new GlobSearch(pattern))
  const before = usedMemory()
  for (const search of searches) expect(search.matches('a'.repeat(400))).toBe(false)
  expect(usedMemory() - before).toBeLessThan(searches.length * pattern.length)
})

describe('a hundred patterns of many long segments', () => {
  const SEGMENT = `*${'?'.repeat(32)}[b]`
  const patterns = Array.from({ length: 100 }, (_, i) => `${SEGMENT.repeat(1800)}${i}`)

  test('take a few megabytes where a text ends the search early', () => {
    const before = usedMemory()
    const globs = patterns.map((pattern) => new Glob(pattern))
    for (const glob of globs) expect(glob.matches('a'.repeat(65_000))).toBe(false)
    expect(usedMemory() - before).toBeLessThan(32 * MB)
  })

  test('take no more where each text needs all of them', () => {
    const before = usedMemory()
    const globs = patterns.map((pattern) => new Glob(pattern))
    const text = `${'a'.repeat(32)}b`.repeat(1990)
    for (const glob of globs) expect(glob.matches(text)).toBe(false)
    expect(usedMemory() - before).toBeLessThan(32 * MB)
  })
})

const LONG = 15_000

/** How many characters are read one by one while patterns are compared with a text. */
function readCharacters(patterns: readonly string[], text: string): number {
  const read = vi.spyOn(String.prototype, 'charCodeAt')
  for (const pattern of patterns) matchGlob(pattern, text)
  const { length } = read.mock.calls
  vi.restoreAllMocks()
  return length
}

test.each([
  ['what they name is not there', 'b'.repeat(LONG)],
  ['what they name is there, but nothing before it', 'x123'.repeat(LONG / 4)],
  ['each is there', Array.from({ length: LONG / 3 }, (_, i) => `${100 + (i % 900)}`).join('')],
])('patterns with a class are compared with few characters of a long text: %s', (_, text) => {
  const patterns = Array.from({ length: 10 }, (_, i) => `*[b]${230 + i}*`)
  expect(readCharacters(patterns, text)).toBeLessThan((patterns.length * LONG) / 2)
})

test.each([
  ['at the end, where the text ends otherwise', '*b0*[XY]', 40],
  ['at the end, where the text ends so', '*b0*[2-9]', 80],
  ['between two stars', '*b0*[XY]*', 250],
  ['of many characters', '*b0*[ABCDEFGHIJKLMNOPQRSTUVWXYZ]*', 350],
])(
  'a class behind a star is not read anew for each character of a text: %s',
  (_, pattern, most) => {
    const text = `${'a1b0'.repeat(40)}/2`
    expect(readCharacters([pattern], text)).toBeLessThan(most)
  },
)
