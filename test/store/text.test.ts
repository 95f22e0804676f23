import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesToText, fromBase64, isText, textToBytes, toBase64 } from '../../src/store/text.ts'

const bytes = fc
  .uint8Array({ maxLength: 100, size: 'max' })
  .map((array) => Buffer.from(array).toString('latin1'))

test('text is what decodes as UTF-8', () => {
  fc.assert(
    fc.property(fc.oneof(bytes, fc.string({ unit: 'binary' }).map(textToBytes)), (some) => {
      let decodes = true
      try {
        new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(some, 'latin1'))
      } catch {
        decodes = false
      }
      expect(isText(some)).toBe(decodes)
    }),
    { numRuns: 2000 },
  )
})

test('text comes back from bytes, and bytes from base64', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), bytes, (text, some) => {
      expect(bytesToText(textToBytes(text))).toBe(text)
      expect(fromBase64(toBase64(some))).toBe(some)
    }),
  )
})
