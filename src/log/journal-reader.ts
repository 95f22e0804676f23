import { basename, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { DamagedJournalError, JournalError } from './journal-errors.ts'
import { type JournalFiles, systemFiles } from './journal-files.ts'
import {
  decodeRecordHeader,
  decodeSegmentHeader,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentName,
  sequenceIn,
} from './segment.ts'
import { findSynced, SegmentInput } from './segment-input.ts'

export interface ReadOptions {
  /** The id of the expected journal; without it, the first segment's id is expected. */
  readonly id?: Buffer
  /** Where to begin: a position that `append` has returned, or 0. */
  readonly from?: number
  /** The sequence number of the segment that was being written at `from`. Older checkpoints do not know it. */
  readonly segment?: number | undefined
  readonly files?: JournalFiles
}

/** What one `append` has written. */
export interface JournalRecord {
  /** Part of a larger buffer: copy what is kept for long. */
  readonly payload: Buffer
  /** The position after the record, as `append` returned it. */
  readonly end: number
}

/** The end of a journal that was being written when the power or the process failed. */
export interface TornEnd {
  readonly path: string
  /** Where in that file the last whole record ends, in bytes. */
  readonly offset: number
  /** How many bytes follow the last whole record, in this segment and in later ones. */
  readonly bytes: number
}

/** A segment's file as the reader found it. */
export interface FoundSegment {
  readonly path: string
  readonly sequence: number
  readonly size: number
  readonly seed: number
  /** The position of its first record; undefined if that record or its whole header is missing. */
  readonly start: number | undefined
}

/**
 * Reads the records of a journal in order, in little memory unless a record is long. Changes
 * nothing on the disk. `end`, `torn` and `segments` are final when {@link records} has ended.
 */
export class JournalReader {
  /** The position after the last record read. */
  end: number
  /** What follows the last whole record and must be cut off before the journal grows. */
  torn: TornEnd | undefined
  /** The journal's id; undefined if there are no segments. */
  id: Buffer | undefined
  /** All segments that are whole, in order. */
  readonly segments: FoundSegment[] = []
  /** A last segment that was never finished; it never held a record. */
  unfinished: string | undefined
  /** The size of the segments to be read, in bytes. */
  totalBytes = 0

  readonly #directory: string
  readonly #from: number
  readonly #segment: number | undefined
  readonly #files: JournalFiles
  /** Index of the segment that `from` lies in. */
  #first = 0

  /** @throws JournalError if the segments do not belong together */
  constructor(directory: string, { id, from = 0, segment, files = systemFiles }: ReadOptions = {}) {
    this.#directory = directory
    this.#files = files
    this.#from = from
    this.#segment = segment
    this.id = id
    this.#findSegments()
    this.#findFirst()
    for (const { size } of this.segments.slice(this.#first)) this.totalBytes += size
    this.end = this.segments[this.#first]?.start ?? from
  }

  #findSegments(): void {
    const names = this.#files
      .list(this.#directory)
      .filter((name) => sequenceIn(name) !== undefined)
      .sort()
    for (const name of names) {
      const path = join(this.#directory, name)
      const input = new SegmentInput(this.#files, path)
      try {
        const header = decodeSegmentHeader(input.upTo(0, SEGMENT_HEADER_BYTES), path)
        if (header !== undefined) this.#addSegment(input, header, sequenceIn(name)!)
        // A segment gets records only once its header is on the disk, so this one never had any.
        else if (name === names.at(-1) && input.size <= SEGMENT_HEADER_BYTES) this.unfinished = path
        else throw new DamagedJournalError(path, 'it does not begin with the header of a segment')
      } finally {
        input.close()
      }
    }
  }

  #addSegment(input: SegmentInput, header: SegmentHeader, sequence: number): void {
    const { path, size } = input
    this.id ??= header.id
    if (!header.id.equals(this.id)) {
      throw new JournalError(
        `${path} belongs to another journal: its id is ${header.id.toString('hex')}, ` +
          `this journal's is ${this.id.toString('hex')}`,
      )
    }
    if (header.sequence !== sequence) {
      throw new JournalError(
        `${path} is a copy of ${segmentName(header.sequence)}, or that segment under another name`,
      )
    }
    const first = decodeRecordHeader(
      input.upTo(SEGMENT_HEADER_BYTES, RECORD_HEADER_BYTES),
      header.seed,
    )
    this.segments.push({ path, sequence, size, seed: header.seed, start: first?.position })
  }

  /**
   * Finds the segment to begin with. Any number of older ones may be there, because a power cut can
   * bring back files that were removed.
   *
   * @throws DamagedJournalError if a later segment is missing
   */
  #findFirst(): void {
    const missing = (what: string, before: FoundSegment): never => {
      throw new DamagedJournalError(
        this.#directory,
        `${what} is missing before ${basename(before.path)}`,
      )
    }
    this.#first = Math.max(
      0,
      this.segments.findLastIndex(({ start }) => start !== undefined && start <= this.#from),
    )
    for (let i = this.#first + 1; i < this.segments.length; i++) {
      const { sequence, start, size } = this.segments[i - 1]
      if (this.segments[i].sequence === sequence + 1) continue
      const isNeeded = start === undefined || start + size - SEGMENT_HEADER_BYTES > this.#from
      if (isNeeded) missing(segmentName(sequence + 1), this.segments[i])
      this.#first = i
    }
    const first = this.segments[this.#first]
    if (first?.start !== undefined && first.start > this.#from) {
      missing(`the journal from position ${this.#from} to ${first.start}`, first)
    }
    this.#findNoted(first)
  }

  /**
   * Looks for the segment that a checkpoint has noted. Only one that begins with a record can stand in
   * its place: an empty one is a spare, and what was written before it is gone.
   */
  #findNoted(first: FoundSegment | undefined): void {
    const noted = this.#segment
    if (noted === undefined || (first !== undefined && first.start !== undefined)) return
    if (first !== undefined && first.sequence <= noted) return
    const has = new Set(this.segments.map(({ sequence }) => sequence))
    let missing = noted
    while (has.has(missing)) missing++
    throw new DamagedJournalError(this.#directory, `${segmentName(missing)} is missing`)
  }

  /**
   * The records after `from`. Stops at a torn end.
   *
   * @param onProgress gets the number of bytes read so far, about once a megabyte
   * @throws DamagedJournalError if there is a fault in what the disk had
   */
  *records(onProgress?: (bytes: number) => void): Generator<JournalRecord, void, undefined> {
    let bytesBefore = 0
    for (let i = this.#first; i < this.segments.length && this.torn === undefined; i++) {
      const segment = this.segments[i]
      const input = new SegmentInput(this.#files, segment.path, (offset) =>
        onProgress?.(bytesBefore + offset),
      )
      try {
        yield* this.#recordsIn(i, input)
      } finally {
        input.close()
      }
      bytesBefore += segment.size
    }
  }

  *#recordsIn(index: number, input: SegmentInput): Generator<JournalRecord, void, undefined> {
    const { seed } = this.segments[index]
    let offset = SEGMENT_HEADER_BYTES
    while (offset < input.size) {
      const header = decodeRecordHeader(input.upTo(offset, RECORD_HEADER_BYTES), seed)
      if (header === undefined || header.position !== this.end) {
        return this.#tear(index, offset, header?.position)
      }
      const payload = this.#payload(input, offset + RECORD_HEADER_BYTES, header)
      if (payload === undefined) return this.#tear(index, offset)
      const begin = this.end
      offset += RECORD_HEADER_BYTES + header.length
      this.end += RECORD_HEADER_BYTES + header.length
      if (begin >= this.#from) {
        if (payload.length > 0) yield { payload, end: this.end }
      } else if (this.end > this.#from) {
        throw new JournalError(`no record of ${input.path} begins at position ${this.#from}`)
      }
    }
  }

  /** @returns undefined if the payload is not whole; before `from`, payloads are not read */
  #payload(input: SegmentInput, offset: number, header: RecordHeader): Buffer | undefined {
    if (offset + header.length > input.size) return undefined
    if (header.position < this.#from) return Buffer.alloc(0)
    const payload = input.bytes(offset, header.length)
    return crc32(payload) === header.checksum ? payload : undefined
  }

  /**
   * Decides whether a fault is a torn end or damage. A power cut cannot tear what the disk had, so
   * a fault is damage if any later record was written when the disk already had the faulty place.
   *
   * @param found the position of a whole record that does not belong here
   */
  #tear(index: number, offset: number, found?: number): void {
    const { path } = this.segments[index]
    const place = `${path} at byte ${offset}`
    if (found !== undefined && found < this.end) {
      throw new DamagedJournalError(place, `position ${found} comes again, after ${this.end}`)
    }
    let bytes = 0
    for (let i = index; i < this.segments.length; i++) {
      const begin = i === index ? offset : SEGMENT_HEADER_BYTES
      bytes += this.segments[i].size - begin
      const synced = findSynced(this.#files, this.segments[i], begin)
      if (synced <= this.end) continue
      throw new DamagedJournalError(
        place,
        `the journal from position ${this.end} on is missing or changed, ` +
          `but the disk had it up to ${synced} at least`,
      )
    }
    this.torn = { path, offset, bytes }
  }
}
