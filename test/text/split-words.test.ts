import { expect, test } from 'vitest'
import { splitInlineRequest } from '../../src/text/split-words.ts'
import { allBytes } from '../resp/request-recorder.ts'

function split(line: string): string[] | undefined {
  return splitInlineRequest(Buffer.from(line, 'latin1'))
}

// Redis 7.0.15 splits each of these lines like this.
test.each<[line: string, args: string[]]>([
  ['', []],
  [' \t\v\f\r', []],
  ['a', ['a']],
  ['  a\tb  c ', ['a', 'b', 'c']],
  ['a\rb', ['a', 'b']],
  ['a\vb\fc', ['a\vb\fc']],
  ['a \v b', ['a', 'b']],
  ['""', ['']],
  ['\'\' ""', ['', '']],
  ['"a b" c', ['a b', 'c']],
  ["'a \"b' c", ['a "b', 'c']],
  ['"a"\vb', ['a', 'b']],
  ['a"b c"', ['ab c']],
  ["a'b c' d", ['ab c', 'd']],
  ['"\\n\\r\\t\\b\\a"', ['\n\r\t\b\x07']],
  ['"\\q\\"\\\\"', ['q"\\']],
  ['"\\x41\\xfF\\x00"', ['A\xff\0']],
  ['"\\x4"', ['x4']],
  ['"\\xg1"', ['xg1']],
  ["'\\x41\\n'", ['\\x41\\n']],
  ["'a\\'b'", ["a'b"]],
  ['\\x41', ['\\x41']],
])('%j', (line, args) => {
  expect(split(line)).toEqual(args)
})

test.each([
  '"',
  "'",
  'a"',
  '"a',
  "'a",
  '"a"b',
  "'a'b",
  '"a"\'b\'',
  '"a\\',
  '"a\\"',
  "'a\\'",
  "'\\\\'",
  'a \\"',
  '"\\x4',
])('%j is unbalanced', (line) => {
  expect(split(line)).toBeUndefined()
})

test('all bytes except NUL, quoted and bare', () => {
  const bytes = allBytes.slice(1).replace(/["\\]/g, '\\$&')
  expect(split(`"${bytes}"`)).toEqual([allBytes.slice(1)])
  const bare = allBytes.slice(33).replace(/["']/g, '')
  expect(split(`x ${bare}`)).toEqual(['x', bare])
})
