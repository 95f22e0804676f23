import fc from 'fast-check'
import { expect, test } from 'vitest'
import { printable } from '../../src/text/printable.ts'

const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

test.each([
  ['plain text ~!', 'plain text ~!'],
  [bytes('größe 世界'), 'größe 世界'],
  ['a\nb\r\x1b[31m\0', 'a\\x0ab\\x0d\\x1b[31m\\x00'],
  ['\\x1b', '\\\\x1b'],
  [bytes('\u009b31m'), '\\x9b31m'],
  [bytes('a\u202eb\u200bc\u2028'), 'a\\u{202e}b\\u{200b}c\\u{2028}'],
  ['\xff\xfe\x9b', '\\xff\\xfe\\x9b'],
])('%j is shown as %j', (given, shown) => {
  expect(printable(given)).toBe(shown)
})

test('no byte of a client reaches a terminal as a control character', () => {
  const any = fc.uint8Array({ maxLength: 20 }).map((all) => Buffer.from(all).toString('latin1'))
  fc.assert(
    fc.property(any, (text) => {
      expect(printable(text)).not.toMatch(/\p{C}/u)
    }),
  )
})
