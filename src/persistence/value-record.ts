import { allocateLarge } from '../store/large-allocation.ts'
import { sliceValue, type Value, writeValue } from '../store/value.ts'
import { CHECKSUM_LENGTH, seal } from './checksum.ts'

/** A long value lies on the disk in pieces of this size. */
const PIECE_BYTES = 1024 * 1024

/** How many pieces a value of this length has. */
export function piecesOf(length: number): number {
  return Math.ceil(length / PIECE_BYTES)
}

/** The record of a piece of a long value. @param piece counts from 0 */
export function encodeValuePiece(whole: Value, piece: number, key: Buffer): Buffer {
  const start = piece * PIECE_BYTES
  const end = Math.min(start + PIECE_BYTES, whole.length)
  const record = Buffer.allocUnsafe(CHECKSUM_LENGTH + end - start)
  writeValue(record, CHECKSUM_LENGTH, sliceValue(whole, start, end))
  seal(key, record)
  return record
}

/** The bytes of a piece, in its record. */
export function decodeValuePiece(record: Buffer): Buffer {
  return record.subarray(CHECKSUM_LENGTH)
}

/** The value whose pieces these are. @param length of it, in bytes */
export function joinPieces(pieces: readonly Buffer[], length: number): Buffer {
  const whole = allocateLarge(length)
  let at = 0
  for (const piece of pieces) at = writeValue(whole, at, piece)
  return whole
}
