import { crc32 } from 'node:zlib'
import { JournalError } from './journal-errors.ts'
import type { JournalFiles } from './journal-files.ts'
import { encodeRecordHeader, MAX_PAYLOAD_BYTES, RECORD_HEADER_BYTES } from './segment.ts'

/** Pieces up to this length are copied together, because writing each by itself costs more. */
const MAX_COPIED_BYTES = 4096
const SCRATCH_BYTES = 256 * 1024

/** Where a record goes. */
export interface RecordPlace {
  readonly file: number
  /** The segment's. */
  readonly seed: number
  /** In the file, in bytes. */
  readonly offset: number
  /** In the journal. */
  readonly position: number
  /** The position up to which the journal is on the disk. */
  readonly synced: number
}

/** Writes records as a whole or not at all. */
export class RecordWriter {
  readonly #files: JournalFiles
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  #hasFragment = false

  constructor(files: JournalFiles) {
    this.#files = files
  }

  /** Whether part of a record, which could not be cut off yet, follows the last record. */
  get hasFragment(): boolean {
    return this.#hasFragment
  }

  /** Forgets the fragment, because its file will not be written to any more. */
  forgetFragment(): void {
    this.#hasFragment = false
  }

  /**
   * Writes one record. If this throws, a part already written is cut off before the next record.
   *
   * @returns the length of the record, in bytes
   */
  write(place: RecordPlace, pieces: readonly Uint8Array[]): number {
    let length = 0
    for (const piece of pieces) length += piece.length
    if (length > MAX_PAYLOAD_BYTES) {
      throw new JournalError(`a record of ${length} bytes is too long`)
    }
    const chunks = this.#gather(pieces)
    let checksum = crc32(chunks[0].subarray(RECORD_HEADER_BYTES))
    for (let i = 1; i < chunks.length; i++) checksum = crc32(chunks[i], checksum)
    encodeRecordHeader({ ...place, length, checksum }, place.seed, this.#scratch)
    this.#cutFragment(place)
    try {
      this.#writeAll(place, chunks)
    } catch (error) {
      this.#hasFragment = true
      try {
        this.#cutFragment(place)
      } catch {
        // The next write tries again, before it writes.
      }
      throw error
    }
    return RECORD_HEADER_BYTES + length
  }

  /** The chunks to write: room for the header, then the pieces, short ones copied together. */
  #gather(pieces: readonly Uint8Array[]): Uint8Array[] {
    const chunks: Uint8Array[] = []
    let begin = 0
    let end = RECORD_HEADER_BYTES
    for (const piece of pieces) {
      if (piece.length <= MAX_COPIED_BYTES && end + piece.length <= SCRATCH_BYTES) {
        this.#scratch.set(piece, end)
        end += piece.length
      } else {
        if (end > begin) chunks.push(this.#scratch.subarray(begin, end))
        chunks.push(piece)
        begin = end
      }
    }
    if (end > begin) chunks.push(this.#scratch.subarray(begin, end))
    return chunks
  }

  #writeAll({ file, offset }: RecordPlace, chunks: Uint8Array[]): void {
    let rest = chunks
    for (let at = offset; rest.length > 0; ) {
      let taken = this.#files.write(file, rest, at)
      if (taken === 0) throw new JournalError('the system has taken nothing of a record')
      at += taken
      let whole = 0
      while (whole < rest.length && taken >= rest[whole].length) taken -= rest[whole++].length
      rest = rest.slice(whole)
      if (taken > 0) rest[0] = rest[0].subarray(taken)
    }
  }

  #cutFragment({ file, offset }: RecordPlace): void {
    if (!this.#hasFragment) return
    this.#files.truncate(file, offset)
    this.#hasFragment = false
  }
}
