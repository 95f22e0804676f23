/**
 * The problem: a byte at a time, a checksum of 60 MB takes 0.25 s, in which nobody is served.
 *
 * The trick: eight bytes at a time ("slicing by 8"). The sum of eight bytes is the exclusive or of eight
 * table entries, one for each byte and its distance from the end:
 *
 *     bytes    b0  b1  b2  b3  b4  b5  b6  b7
 *     table     7   6   5   4   3   2   1   0
 *
 * The price: 16 KB of tables, made at the first call. JavaScript has no fast integer of 64 bits, so each
 * table is two, for the upper and the lower half.
 *
 * Gain: a fourth of the time. Can be deleted by leaving out the first loop, and all tables but the first.
 *
 * @module
 */

/** The Jones polynomial that Redis uses, with its bits reversed: the upper and the lower half. */
const POLYNOMIAL_HIGH = 0x95ac9329
const POLYNOMIAL_LOW = 0xac4bc9b5

/** Bytes that are summed at a time. */
const STEP = 8

/** The tables one behind the other, 256 entries each. */
const high = new Int32Array(STEP * 256)
const low = new Int32Array(STEP * 256)
let filled = false

function fillTables(): void {
  for (let byte = 0; byte < 256; byte++) {
    let upper = 0
    let lower = byte
    for (let bit = 0; bit < 8; bit++) {
      const carry = lower & 1
      lower = (lower >>> 1) | (upper << 31)
      upper >>>= 1
      if (carry === 1) {
        upper ^= POLYNOMIAL_HIGH
        lower ^= POLYNOMIAL_LOW
      }
    }
    high[byte] = upper
    low[byte] = lower
  }
  // A byte that is farther from the end is followed by one more zero.
  for (let i = 256; i < high.length; i++) {
    const [upper, lower] = [high[i - 256], low[i - 256]]
    const next = lower & 0xff
    low[i] = ((lower >>> 8) | (upper << 24)) ^ low[next]
    high[i] = (upper >>> 8) ^ high[next]
  }
  filled = true
}

/** Redis's CRC64. @returns its eight bytes, the lowest first */
export function crc64(bytes: Uint8Array): Buffer {
  if (!filled) fillTables()
  let upper = 0
  let lower = 0
  let at = 0
  for (const end = bytes.length - STEP; at <= end; at += STEP) {
    const a = lower ^ wordAt(bytes, at)
    const b = upper ^ wordAt(bytes, at + 4)
    const p7 = 1792 + (a & 0xff)
    const p6 = 1536 + ((a >>> 8) & 0xff)
    const p5 = 1280 + ((a >>> 16) & 0xff)
    const p4 = 1024 + (a >>> 24)
    const p3 = 768 + (b & 0xff)
    const p2 = 512 + ((b >>> 8) & 0xff)
    const p1 = 256 + ((b >>> 16) & 0xff)
    const p0 = b >>> 24
    lower = low[p7] ^ low[p6] ^ low[p5] ^ low[p4] ^ low[p3] ^ low[p2] ^ low[p1] ^ low[p0]
    upper = high[p7] ^ high[p6] ^ high[p5] ^ high[p4] ^ high[p3] ^ high[p2] ^ high[p1] ^ high[p0]
  }
  for (; at < bytes.length; at++) {
    const entry = (lower ^ bytes[at]) & 0xff
    lower = ((lower >>> 8) | (upper << 24)) ^ low[entry]
    upper = (upper >>> 8) ^ high[entry]
  }
  const sum = Buffer.allocUnsafe(8)
  sum.writeInt32LE(lower, 0)
  sum.writeInt32LE(upper, 4)
  return sum
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
}
