import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { Glob, matchGlob } from '../../src/text/glob.ts'
import { CompiledGlob } from '../../src/text/glob-compiled.ts'
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
  fc.constantFrom('*', '[a-b]', '[^a]'),
)
const anyPattern = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''))
/** A text that is likely to match: the pattern with something in place of each special character. */
const textFor = (pattern: string): fc.Arbitrary<string> =>
  fc
    .oneof(some(['a', 'b', 'c', '\xff'], 200), some(['a', 'b'], 12))
    .map((filler) =>
      (pattern.replaceAll(/[*]/g, filler).replaceAll(/\[\^?.*?\]|\?/g, 'b') || filler).slice(
        0,
        400,
      ),
    )

test('a compiled pattern matches the same texts', () => {
  let matched = 0
  fc.assert(
    fc.property(
      anyPattern.chain((pattern) => fc.tuple(fc.constant(pattern), textFor(pattern))),
      ([pattern, text]) => {
        const expected = matchGlob(pattern, text)
        expect(new CompiledGlob(pattern).matches(text)).toBe(expected)
        if (expected) matched++
      },
    ),
    { numRuns: 5000 },
  )
  expect(matched).toBeGreaterThan(500)
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
])('a long class is compiled after a few texts, whether it matches or not', (pattern) => {
  const compiled = vi.spyOn(CompiledGlob.prototype, 'matches')
  const glob = new Glob(pattern)
  for (let i = 0; i < 100; i++) glob.matches('b1')
  expect(compiled.mock.calls.length).toBeGreaterThan(80)
  compiled.mockRestore()
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
