import { describe, expect, test } from 'vitest'
import { matchGlob } from '../../src/text/glob.ts'

describe.each([
  ['*', ['', 'a', '/a/b'], []],
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

test('a pattern made to take forever ends soon', () => {
  expect(matchGlob(`${'a*'.repeat(1000)}b`, 'a'.repeat(10_000))).toBe(false)
})
