import { crc32 } from 'node:zlib'
import { JournalError } from './journal-errors.ts'

/**
 * The files of a journal. Numbers are little-endian.
 *
 *     segment  = magic "ktreejnl" | version 4 | checksum 4 | journal id 16 | sequence 8 | record ...
 *     record   = magic "\xf4kJ\x1b" | checksum 4 | position 8 | synced 8 | length 4 | payload's checksum 4 | payload
 *
 * A position counts the bytes of all records since the journal was made, headers of records
 * included. `synced` is the position up to which the journal was on the disk when the record was
 * written: a fault before that position is damage, because a power cut cannot have caused it.
 *
 * Checksums are CRC-32. A record's checksum continues its segment's. A record is therefore valid
 * only in the segment that it was written to and, by its position, only in one place. The header of
 * a segment is the same in every version.
 */
export const SEGMENT_VERSION = 1

export const SEGMENT_HEADER_BYTES = 40
export const RECORD_HEADER_BYTES = 32
export const JOURNAL_ID_BYTES = 16
/** The longest payload, in bytes: its length has 32 bits. */
export const MAX_PAYLOAD_BYTES = 2 ** 32 - 1

const SEGMENT_MAGIC = Buffer.from('ktreejnl', 'latin1')
export const RECORD_MAGIC = Buffer.from('\xf4kJ\x1b', 'latin1')

const NAME = /^(\d{10})\.journal$/

/** The name of a segment's file: names sort as sequence numbers do. */
export function segmentName(sequence: number): string {
  return `${String(sequence).padStart(10, '0')}.journal`
}

/** The sequence number in a file's name; undefined if the file is not a segment. */
export function sequenceIn(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

export interface SegmentHeader {
  /** The journal's id, which all of its segments share. */
  readonly id: Buffer
  readonly sequence: number
  /** The seed of its records' checksums. */
  readonly seed: number
}

/** The seed of the checksums of a segment's records. */
export function segmentSeed(header: Buffer): number {
  return header.readUInt32LE(12)
}

function segmentChecksum(header: Buffer): number {
  return crc32(header.subarray(16, SEGMENT_HEADER_BYTES), crc32(header.subarray(0, 12)))
}

export function encodeSegmentHeader(
  id: Buffer,
  sequence: number,
  version = SEGMENT_VERSION,
): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES)
  SEGMENT_MAGIC.copy(header)
  header.writeUInt32LE(version, 8)
  id.copy(header, 16)
  header.writeBigUInt64LE(BigInt(sequence), 32)
  header.writeUInt32LE(segmentChecksum(header), 12)
  return header
}

/**
 * @returns undefined if the header is not whole
 * @throws JournalError if a newer ktree has written it
 */
export function decodeSegmentHeader(header: Buffer, path: string): SegmentHeader | undefined {
  if (header.length < SEGMENT_HEADER_BYTES || !header.subarray(0, 8).equals(SEGMENT_MAGIC)) return
  const seed = segmentSeed(header)
  if (seed !== segmentChecksum(header)) return
  const version = header.readUInt32LE(8)
  if (version > SEGMENT_VERSION) {
    throw new JournalError(
      `${path} was written by a newer ktree, in format ${version}; ` +
        `this one knows formats up to ${SEGMENT_VERSION}`,
    )
  }
  const id = Buffer.from(header.subarray(16, 16 + JOURNAL_ID_BYTES))
  return { id, sequence: Number(header.readBigUInt64LE(32)), seed }
}

export interface RecordHeader {
  /** Where the record begins, in bytes since the journal was made. */
  readonly position: number
  /** The position up to which the journal was on the disk when the record was written. */
  readonly synced: number
  /** The length of the payload, in bytes. */
  readonly length: number
  /** CRC-32 of the payload. */
  readonly checksum: number
}

/** @param into takes the header in its first bytes */
export function encodeRecordHeader(record: RecordHeader, seed: number, into: Buffer): void {
  RECORD_MAGIC.copy(into)
  into.writeBigUInt64LE(BigInt(record.position), 8)
  into.writeBigUInt64LE(BigInt(record.synced), 16)
  into.writeUInt32LE(record.length, 24)
  into.writeUInt32LE(record.checksum, 28)
  into.writeUInt32LE(crc32(into.subarray(8, RECORD_HEADER_BYTES), seed), 4)
}

/** @returns undefined if these bytes are not the header of a record of this segment */
export function decodeRecordHeader(header: Buffer, seed: number): RecordHeader | undefined {
  if (header.length < RECORD_HEADER_BYTES || !header.subarray(0, 4).equals(RECORD_MAGIC)) return
  if (header.readUInt32LE(4) !== crc32(header.subarray(8, RECORD_HEADER_BYTES), seed)) return
  return {
    position: Number(header.readBigUInt64LE(8)),
    synced: Number(header.readBigUInt64LE(16)),
    length: header.readUInt32LE(24),
    checksum: header.readUInt32LE(28),
  }
}
