import { expect, test } from 'vitest'
import { crc64 } from '../../src/rdb/crc64.ts'
import { decodedLength, decodeString, encodeString } from '../../src/rdb/string-payload.ts'
import type { Value } from '../../src/store/value.ts'

const LIMIT = 1024 ** 2

/** A payload with such a head, whose version and checksum are right. */
function payloadOf(...head: number[]): Buffer {
  const summed = Buffer.from([...head, 10, 0])
  return Buffer.concat([summed, crc64(summed)])
}

const ZEROS_8 = [0, 0, 0, 0, 0, 0, 0, 0]
/** LZF of 265 bytes: one literal, and a repetition of it. */
const LZF = [0, 97, 0xe0, 0xff, 0]

test.each<[string, Value]>([
  ['an empty string', ''],
  ['a short string', 'abc'],
  ['a string of 100 different bytes', Buffer.from(Array.from({ length: 100 }, (_, i) => i))],
  ['a compressed string', 'x'.repeat(300)],
  ['a long compressed string', Buffer.alloc(LIMIT, 'ab')],
  [
    'a long string that is not compressed',
    Buffer.from(Array.from({ length: 40_000 }, (_, i) => (i * i * 7919) >> 5)),
  ],
])('the head of a payload says how long the string is: %s', (_, value) => {
  const payload = encodeString(value)
  expect(decodeString(payload, LIMIT).length).toBe(value.length)
  expect(decodedLength(payload, LIMIT)).toBe(value.length)
})

test.each(['0', '-1', '300', '-70000', '2147483647'])(
  '%s is not longer than an integer',
  (value) => {
    const length = decodedLength(encodeString(value), LIMIT)
    expect(length).toBeGreaterThanOrEqual(value.length)
    expect(length).toBeLessThan(20)
  },
)

test('a compressed string may have lengths of any form', () => {
  for (const compressed of [[5], [0x40, 5], [0x80, 0, 0, 0, 5], [0x81, ...ZEROS_8.slice(1), 5]]) {
    for (const length of [
      [0x41, 9],
      [0x80, 0, 0, 1, 9],
      [0x81, 0, 0, 0, 0, 0, 0, 1, 9],
    ]) {
      const payload = payloadOf(0, 0xc3, ...compressed, ...length, ...LZF)
      expect(decodeString(payload, LIMIT).length).toBe(265)
      expect(decodedLength(payload, LIMIT)).toBe(265)
    }
  }
})

test.each<[string, Buffer]>([
  [
    'says that it is longer than any may be',
    payloadOf(0, 0xc3, 5, 0x80, 0x7f, 255, 255, 255, ...LZF),
  ],
  [
    'says so in 64 bits',
    payloadOf(0, 0xc3, 5, 0x81, 255, 255, 255, 255, 255, 255, 255, 255, ...LZF),
  ],
  ['says more than its bytes can expand to', payloadOf(0, 0xc3, 5, 0x80, 0, 0, 1, 0xb9, ...LZF)],
  ['has less than it says', payloadOf(0, 0xc3, 6, 0x41, 9, ...LZF)],
  ['has less than it says, in 64 bits', payloadOf(0, 0x81, 255, ...ZEROS_8.slice(1), ...LZF)],
  ['is no string', payloadOf(1, 3, 97, 97, 97)],
  ['has an encoding that nobody knows', payloadOf(0, 0xc4, 3, 97, 97, 97)],
  ['has an encoding in the place of a length', payloadOf(0, 0xc3, 0xc3, 5, ...LZF)],
  ['ends in its head', payloadOf(0, 0xc3, 0x80)],
  ['has no head', payloadOf()],
  ['is shorter than its footer', Buffer.from([0, 3])],
  ['is empty', Buffer.alloc(0)],
])('a payload that is refused adds nothing: one that %s', (_, payload) => {
  expect(() => decodeString(payload, LIMIT)).toThrow()
  expect(decodedLength(payload, LIMIT)).toBe(0)
})
