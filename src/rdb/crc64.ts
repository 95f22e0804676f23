/** The Jones polynomial that Redis uses, with its bits reversed: the upper and the lower half. */
const POLYNOMIAL_HIGH = 0x95ac9329
const POLYNOMIAL_LOW = 0xac4bc9b5

const tableHigh = new Uint32Array(256)
const tableLow = new Uint32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let high = 0
  let low = byte
  for (let bit = 0; bit < 8; bit++) {
    const carry = low & 1
    low = (low >>> 1) | (high << 31)
    high >>>= 1
    if (carry === 1) {
      high ^= POLYNOMIAL_HIGH
      low ^= POLYNOMIAL_LOW
    }
  }
  tableHigh[byte] = high
  tableLow[byte] = low
}

/** Redis's CRC64. @returns its eight bytes, the lowest first */
export function crc64(bytes: Buffer): Buffer {
  let high = 0
  let low = 0
  for (let i = 0; i < bytes.length; i++) {
    const at = (low ^ bytes[i]) & 0xff
    low = ((low >>> 8) | (high << 24)) ^ tableLow[at]
    high = (high >>> 8) ^ tableHigh[at]
  }
  const sum = Buffer.allocUnsafe(8)
  sum.writeUInt32LE(low >>> 0, 0)
  sum.writeUInt32LE(high >>> 0, 4)
  return sum
}
