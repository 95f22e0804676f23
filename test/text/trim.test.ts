import { expect, test } from 'vitest'
import { trim, trimEnd } from '../../src/text/trim.ts'

test('characters are taken away from the ends only', () => {
  expect(trim('\r\n a\r\nb \t\n', '\t\r\n')).toBe(' a\r\nb ')
  expect(trimEnd('\na\n\r', '\r\n')).toBe('\na')
  expect(['', '\n', '\n\n'].map((text) => trim(text, '\n') + trimEnd(text, '\n'))).toEqual([
    '',
    '',
    '',
  ])
})

test('a long run within a text costs nothing', () => {
  // Steps that grow with its square would take days.
  const text = `a${'\n'.repeat(20_000_000)}b`
  expect(trim(text, '\n').length).toBe(text.length)
  expect(trimEnd(text, '\n').length).toBe(text.length)
})
