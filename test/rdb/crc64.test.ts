import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc64 } from '../../src/rdb/crc64.ts'

const POLYNOMIAL = 0x95ac9329ac4bc9b5n

/** The sum, bit by bit. */
function sumOf(bytes: Uint8Array): Buffer {
  let sum = 0n
  for (const byte of bytes) {
    sum ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) sum = (sum >> 1n) ^ (sum & 1n ? POLYNOMIAL : 0n)
  }
  const result = Buffer.alloc(8)
  result.writeBigUInt64LE(sum)
  return result
}

test('the sum of any bytes is that of its bits', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat({ max: 9 }), (bytes, start) => {
      // Wherever the bytes lie in memory.
      expect(crc64(bytes.subarray(start))).toEqual(sumOf(bytes.subarray(start)))
    }),
  )
})

test("Redis's own example", () => {
  expect(crc64(Buffer.from('123456789')).toString('hex')).toBe('cad9b8c414d9c6e9')
})
