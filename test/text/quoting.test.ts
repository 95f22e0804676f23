import fc from 'fast-check'
import { expect, test } from 'vitest'
import { quoteWord, splitWords } from '../../src/text/quoting.ts'

const bytes = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
})

test('any quoted bytes are on one line, and are read back the same', () => {
  fc.assert(
    fc.property(fc.array(bytes), (words) => {
      const line = words.map(quoteWord).join(' ')
      expect(line).toMatch(/^[ -~]*$/)
      expect(splitWords(line)).toEqual(words)
    }),
  )
})

test('a NUL ends the line, as in Redis', () => {
  expect(splitWords('port 1\0 2')).toEqual(['port', '1'])
})
