import CRC32C from 'crc-32/crc32c.js'

/** Length of a checksum, in bytes; it stands before what it is of. */
export const CHECKSUM_LENGTH = 4

/** CRC-32C of a record: of its key, then of its value after the checksum itself. */
function checksum(key: Buffer, value: Buffer): number {
  return CRC32C.buf(value.subarray(CHECKSUM_LENGTH), CRC32C.buf(key))
}

/** Writes the checksum into the first bytes of a value, which are kept free for it. */
export function seal(key: Buffer, value: Buffer): void {
  value.writeInt32LE(checksum(key, value), 0)
}

/** Whether a value is what {@link seal} has seen, under this key. */
export function isSealed(key: Buffer, value: Buffer): boolean {
  return value.length >= CHECKSUM_LENGTH && value.readInt32LE(0) === checksum(key, value)
}
