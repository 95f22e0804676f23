import CRC32C from 'crc-32/crc32c.js'

/** Length of a checksum, in bytes. A value begins with its checksum. */
export const CHECKSUM_LENGTH = 4

/** CRC-32C of a record: its key, then its value without the checksum. */
function checksum(key: Buffer, value: Buffer): number {
  return CRC32C.buf(value.subarray(CHECKSUM_LENGTH), CRC32C.buf(key))
}

/** Writes the checksum into the first bytes of a value, which are reserved for it. */
export function seal(key: Buffer, value: Buffer): void {
  value.writeInt32LE(checksum(key, value), 0)
}

/** Whether a value and its key are unchanged since {@link seal}. */
export function isSealed(key: Buffer, value: Buffer): boolean {
  return value.length >= CHECKSUM_LENGTH && value.readInt32LE(0) === checksum(key, value)
}
