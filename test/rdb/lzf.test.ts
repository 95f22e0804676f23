import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import { compress, decompress } from '../../src/rdb/lzf.ts'

/** Bytes with short and long repetitions, near and far. */
const compressible = fc
  .array(fc.tuple(fc.string({ minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 400 })), {
    maxLength: 12,
  })
  .map((runs) => Buffer.from(runs.map(([text, times]) => text.repeat(times)).join('')))

const whole = (bytes: Buffer): Buffer | undefined => compress(bytes, 2 * bytes.length + 8)

test('what is compressed is the same again', () => {
  fc.assert(
    fc.property(compressible, (bytes) => {
      const compressed = whole(bytes)
      if (compressed !== undefined) expect(decompress(compressed, bytes.length)).toEqual(bytes)
    }),
  )
})

test('what has been compressed before does not matter', () => {
  fc.assert(
    fc.property(compressible, compressible, (bytes, other) => {
      const compressed = whole(bytes)
      whole(bytes)
      whole(other)
      expect(whole(bytes)).toEqual(compressed)
    }),
  )
})

test('a repetition is as long as the format allows, and ends where the bytes differ', () => {
  for (let length = 20; length < 600; length++) {
    const bytes = Buffer.from(`${'a'.repeat(length)}b${'a'.repeat(40)}`)
    const compressed = whole(bytes) as Buffer
    expect(decompress(compressed, bytes.length)).toEqual(bytes)
    // The first byte as it is, repetitions of up to 264, the other byte, and two more repetitions at most.
    expect(compressed.length).toBeLessThan(4 + 3 * Math.ceil(length / 264) + 12)
  }
})

test('a short value is compressed without a table of its own', () => {
  const fill = vi.spyOn(Int32Array.prototype, 'fill')
  onTestFinished(() => {
    fill.mockRestore()
  })
  for (let i = 0; i < 100; i++) whole(Buffer.from('abcdefgh'.repeat(4)))
  expect(fill).not.toHaveBeenCalled()
})
