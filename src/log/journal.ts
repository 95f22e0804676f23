import { basename, join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { randomBytes } from '../text/random-bytes.ts'
import { DamagedJournalError, JournalError } from './journal-errors.ts'
import { type JournalFiles, systemFiles } from './journal-files.ts'
import { JournalReader, type JournalRecord, type TornEnd } from './journal-reader.ts'
import { keepWhole, type Segment } from './keep-whole.ts'
import { RecordWriter } from './record-writer.ts'
import {
  encodeSegmentHeader,
  JOURNAL_ID_BYTES,
  SEGMENT_HEADER_BYTES,
  segmentName,
  segmentSeed,
} from './segment.ts'

/** A segment that has reached this many bytes ends with the next sync. */
const SEGMENT_BYTES = 64 * 1024 ** 2
/**
 * A write to a file waits up to some 20 ms while an fsync of that file has many bytes to write. So
 * a sync of more bytes than this begins a new segment, and syncs the old one, which is no longer
 * written to.
 */
const MAX_SYNC_BEHIND_WRITER_BYTES = 4 * 1024 ** 2

export interface JournalOptions {
  /** The id of the expected journal, from the checkpoint. */
  readonly id?: Buffer
  /** The position up to which a checkpoint has everything; 0 without one. */
  readonly from?: number
  /** The sequence number of the segment that was being written at `from`, from the checkpoint. */
  readonly segment?: number | undefined
  /** Gets each record after `from`. */
  readonly apply: (record: JournalRecord) => void
  /** Gets the number of bytes read so far and the total, about once a megabyte. */
  readonly onProgress?: (bytes: number, totalBytes: number) => void
  /** Called if the end is torn, before it is cut off. */
  readonly onTorn?: (torn: TornEnd) => void
  readonly files?: JournalFiles
  /** In bytes; for tests. */
  readonly segmentBytes?: number
  readonly maxSyncBehindWriterBytes?: number
}

/**
 * A file of records that only grows (docs/decisions/0011-journal.md). A record is what one turn of the event loop has
 * written; it is there as a whole or not at all. Positions count bytes since the journal was made.
 */
export class Journal {
  readonly id: Buffer
  readonly #directory: string
  readonly #files: JournalFiles
  readonly #segmentBytes: number
  readonly #maxSyncBehindWriterBytes: number
  /** In order; the last one is being written. */
  readonly #segments: Segment[]
  #spare: Segment | undefined
  #makingSpare: Promise<void> | undefined
  readonly #writer: RecordWriter
  #written: number
  #synced: number
  #failure: JournalError | undefined
  #lastSyncDuration: number | undefined
  #syncing: Promise<void> | undefined
  #nextSync: Promise<void> | undefined

  private constructor(
    directory: string,
    id: Buffer,
    segments: Segment[],
    position: number,
    options: JournalOptions,
  ) {
    this.#directory = directory
    this.id = id
    this.#segments = segments
    this.#written = position
    this.#synced = position
    this.#files = options.files ?? systemFiles
    this.#writer = new RecordWriter(this.#files)
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES
    this.#maxSyncBehindWriterBytes =
      options.maxSyncBehindWriterBytes ?? MAX_SYNC_BEHIND_WRITER_BYTES
  }

  /**
   * Reads the journal of a directory, which must exist, and opens it for appending; makes a journal
   * if there is none. When the promise resolves, everything that was applied is on the disk.
   *
   * @throws DamagedJournalError if part of what the disk had is missing or changed
   * @throws JournalError if segments do not belong together
   * @throws the system's error, for example if there is no room for a new segment
   */
  static async open(directory: string, options: JournalOptions): Promise<Journal> {
    const { from = 0, files = systemFiles } = options
    const reader = new JournalReader(directory, options)
    if (from > 0 && reader.segments.length === 0 && reader.unfinished === undefined) {
      throw new DamagedJournalError(directory, 'it has no journal')
    }
    let read = 0
    let told = 0
    for (const record of reader.records((bytes) => {
      read = bytes
    })) {
      options.apply(record)
      if (read === told) continue
      told = read
      options.onProgress?.(read, reader.totalBytes)
      await nextTurn()
    }
    options.onProgress?.(reader.totalBytes, reader.totalBytes)
    if (reader.torn !== undefined) options.onTorn?.(reader.torn)
    const segments = await keepWhole(directory, reader, files)
    const id = reader.id ?? Buffer.from(randomBytes(JOURNAL_ID_BYTES))
    const journal = new Journal(directory, id, segments, Math.max(from, reader.end), options)
    await journal.#begin(reader.end < from)
    return journal
  }

  /** Makes the segment to write to. @param anew whether nothing before it is needed any more */
  async #begin(anew: boolean): Promise<void> {
    const last = this.#segments.at(-1)
    if (last?.start === this.#written && !anew) {
      last.file = this.#files.open(last.path)
    } else {
      const next = await this.#create()
      next.start = this.#written
      this.#segments.push(next)
      if (anew) await this.#dropFormer()
    }
    this.#makeSpare()
  }

  /**
   * Removes all segments but the last, in which a first, empty record is on the disk by then: without
   * one it would look like a spare segment that is left when those before it have been removed by hand.
   */
  async #dropFormer(): Promise<void> {
    const { file, sequence } = this.#segments.at(-1)!
    this.#write([])
    await this.#files.sync(file!)
    this.#synced = this.#written
    await this.drop(sequence)
  }

  async #create(): Promise<Segment> {
    const sequence = (this.#segments.at(-1)?.sequence ?? 0) + 1
    const path = join(this.#directory, segmentName(sequence))
    const header = encodeSegmentHeader(this.id, sequence)
    const file = await this.#files.create(path, header)
    return { path, sequence, seed: segmentSeed(header), start: 0, file }
  }

  /** Makes the next segment on another thread, so that a turn of the event loop need not. */
  #makeSpare(): void {
    if (this.#spare !== undefined || this.#makingSpare !== undefined) return
    this.#makingSpare = this.#create()
      .then((spare) => {
        this.#spare = spare
      })
      // Without a spare the journal goes on in the segment that it has; the next sync tries again.
      .catch(() => {})
      .finally(() => {
        this.#makingSpare = undefined
      })
  }

  /** The position after the last record. */
  get written(): number {
    return this.#written
  }

  /** The sequence number of the segment that holds the position {@link written}. */
  get segment(): number {
    return this.#segments.at(-1)!.sequence
  }

  /** The position up to which everything is on the disk. */
  get synced(): number {
    return this.#synced
  }

  /** How long the last sync took, in milliseconds; undefined before the first. */
  get lastSyncDuration(): number | undefined {
    return this.#lastSyncDuration
  }

  /** Of all segments that have not been dropped, in bytes. */
  get size(): number {
    return this.#written - this.#segments[0].start + this.#segments.length * SEGMENT_HEADER_BYTES
  }

  /** Whether the file that is being written is still in its directory. */
  get isThere(): boolean {
    try {
      return this.#files.list(this.#directory).includes(basename(this.#segments.at(-1)!.path))
    } catch {
      return false
    }
  }

  /** Why nothing is taken any more, until {@link reset}; undefined while all is well. */
  get failure(): JournalError | undefined {
    return this.#failure
  }

  /**
   * Hands one record to the operating system, which keeps it even if the process dies. If this
   * throws, nothing was appended, and the same pieces may be given again, alone or with more. Only
   * a power cut before the next sync may leave the refused record in their place.
   *
   * @param pieces the payload, up to 4 GB; may be changed after the call
   * @returns the position after the record
   * @throws the system's error, such as ENOSPC
   * @throws JournalError after a sync has failed
   */
  append(pieces: readonly Uint8Array[]): number {
    if (this.#failure !== undefined) throw this.#failure
    if (pieces.every(({ length }) => length === 0)) return this.#written
    return this.#write(pieces)
  }

  #write(pieces: readonly Uint8Array[]): number {
    const { file, seed, start } = this.#segments.at(-1)!
    const place = {
      file: file!,
      seed,
      offset: SEGMENT_HEADER_BYTES + this.#written - start,
      position: this.#written,
      synced: this.#synced,
    }
    this.#written += this.#writer.write(place, pieces)
    return this.#written
  }

  /**
   * Resolves when everything written so far is on the disk. One sync is under way at a time; calls
   * meanwhile share the next one.
   *
   * @throws JournalError if a sync fails. What lies between {@link synced} and {@link written} is then
   * unsure for good, because a second fsync would report success without writing it. The journal
   * takes nothing until {@link reset}.
   */
  sync(): Promise<void> {
    // A sync that has not begun yet covers everything written so far.
    if (this.#nextSync !== undefined) return this.#nextSync
    if (this.#syncing === undefined) return this.#startSync()
    this.#nextSync = this.#syncing
      .catch(() => {})
      .then(() => {
        this.#nextSync = undefined
        return this.#startSync()
      })
    return this.#nextSync
  }

  #startSync(): Promise<void> {
    this.#syncing = this.#syncWritten().finally(() => {
      this.#syncing = undefined
    })
    return this.#syncing
  }

  /** Whether a sync is under way. */
  get isSyncing(): boolean {
    return this.#syncing !== undefined
  }

  /**
   * Like {@link sync}, but waits for the disk, which saves a change of threads. No sync may be under way.
   *
   * @throws JournalError if the sync fails
   */
  syncNow(): void {
    if (this.#failure !== undefined) throw this.#failure
    const target = this.#written
    if (target === this.#synced) return
    const started = performance.now()
    try {
      // Nobody writes meanwhile.
      for (const segment of this.#unsynced(target, Number.POSITIVE_INFINITY)) {
        this.#files.syncNow(segment.file!)
        this.#closeFormer(segment)
      }
    } catch (error) {
      throw this.#fail(error)
    }
    this.#noteSynced(target, started)
  }

  async #syncWritten(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const target = this.#written
    if (target === this.#synced) return
    const started = performance.now()
    try {
      for (const segment of this.#unsynced(target, this.#maxSyncBehindWriterBytes)) {
        await this.#files.sync(segment.file!)
        this.#closeFormer(segment)
      }
    } catch (error) {
      throw this.#fail(error)
    }
    this.#noteSynced(target, started)
  }

  /**
   * The segments with records before a position that may not be on the disk; begins a new one if it is time.
   *
   * @param maxBytes of a sync that does not begin a new segment
   */
  #unsynced(target: number, maxBytes: number): Segment[] {
    this.#rotateIfLong(maxBytes)
    return this.#segments.filter(({ file, start }) => file !== undefined && start < target)
  }

  /** Closes a segment that is on the disk, unless records may follow in it. */
  #closeFormer(segment: Segment): void {
    if (segment === this.#segments.at(-1)) return
    this.#files.close(segment.file!)
    segment.file = undefined
  }

  #noteSynced(target: number, started: number): void {
    this.#synced = target
    this.#lastSyncDuration = performance.now() - started
    this.#makeSpare()
  }

  /** Notes that a sync has failed. */
  #fail(error: unknown): JournalError {
    this.#failure = new JournalError(
      `the journal could not be written to the disk (${(error as Error).message}): ` +
        `positions ${this.#synced} to ${this.#written} are unsure`,
      { cause: error },
    )
    return this.#failure
  }

  #rotateIfLong(maxBytes: number): void {
    const { start } = this.#segments.at(-1)!
    const unsynced = this.#written - Math.max(this.#synced, start)
    const isLong = unsynced > maxBytes || this.#written - start > this.#segmentBytes
    if (!isLong || this.#spare === undefined || this.#writer.hasFragment) return
    this.#spare.start = this.#written
    this.#segments.push(this.#spare)
    this.#spare = undefined
  }

  /**
   * Removes the segments before one, because a checkpoint has their records. That one stays, even if it
   * ends where the checkpoint begins: a start looks for it. Those not on the disk yet stay, too.
   *
   * @param sequence of the segment that was being written when the checkpoint began
   */
  async drop(sequence: number): Promise<void> {
    while (this.#segments.length > 1 && this.#segments[0].sequence < sequence) {
      if (this.#segments[0].file !== undefined) return
      await this.#files.remove(this.#segments.shift()!.path)
    }
  }

  /**
   * Begins anew after a failed sync.
   *
   * @param position up to which a checkpoint on the disk has everything; not below {@link written}
   */
  async reset(position: number): Promise<void> {
    if (position < this.#written) {
      throw new JournalError(`a checkpoint up to ${position} does not cover ${this.#written}`)
    }
    await this.#makingSpare
    const next = this.#spare ?? (await this.#create())
    this.#spare = undefined
    next.start = this.#written
    this.#closeFiles()
    this.#segments.push(next)
    this.#synced = this.#written
    this.#writer.forgetFragment()
    await this.#dropFormer()
    this.#failure = undefined
    this.#makeSpare()
  }

  #closeFiles(): void {
    for (const segment of this.#segments) {
      if (segment.file !== undefined) this.#files.close(segment.file)
      segment.file = undefined
    }
  }

  /**
   * Syncs and closes. A last, empty record says that everything before it is on the disk, so that
   * damage at the end is not taken for a torn end.
   */
  async close(): Promise<void> {
    try {
      await this.sync()
      try {
        this.#write([])
        await this.sync()
      } catch {
        // A full disk, for example: everything before is on the disk all the same.
      }
    } finally {
      await this.#makingSpare
      this.#closeFiles()
      if (this.#spare?.file !== undefined) this.#files.close(this.#spare.file)
      this.#spare = undefined
    }
  }
}
