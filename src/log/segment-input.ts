import { JournalError } from './journal-errors.ts'
import type { JournalFiles } from './journal-files.ts'
import { decodeRecordHeader, RECORD_HEADER_BYTES, RECORD_MAGIC } from './segment.ts'

/** How many bytes are read at once. A piece longer than half of this is read by itself. */
const WINDOW_BYTES = 1024 * 1024
/** The most bytes that one system call reads. */
const MAX_READ_BYTES = 1024 ** 3

/** A segment's file, read from its beginning to its end through a window. */
export class SegmentInput {
  readonly path: string
  /** The size of the file when it was opened, in bytes. */
  readonly size: number
  readonly #files: JournalFiles
  readonly #file: number
  readonly #onRead: ((offset: number) => void) | undefined
  #window: Buffer = Buffer.alloc(0)
  /** The window's place in the file. */
  #windowOffset = 0

  /** @param onRead gets the offset up to which the file has been read */
  constructor(files: JournalFiles, path: string, onRead?: (offset: number) => void) {
    this.path = path
    this.#files = files
    this.#file = files.openToRead(path)
    this.size = files.size(this.#file)
    this.#onRead = onRead
  }

  close(): void {
    this.#files.close(this.#file)
  }

  /** `length` bytes, or fewer at the end of the file. */
  upTo(offset: number, length: number): Buffer {
    return this.bytes(offset, Math.max(0, Math.min(length, this.size - offset)))
  }

  /** `length` bytes, which must lie in the file. Bytes returned before are not overwritten. */
  bytes(offset: number, length: number): Buffer {
    if (length > WINDOW_BYTES / 2) return this.#read(offset, length)
    const start = offset - this.#windowOffset
    if (start >= 0 && start + length <= this.#window.length) {
      return this.#window.subarray(start, start + length)
    }
    this.#window = this.#read(offset, Math.min(WINDOW_BYTES, this.size - offset))
    this.#windowOffset = offset
    return this.#window.subarray(0, length)
  }

  #read(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(length)
    for (let done = 0; done < length; ) {
      const piece = bytes.subarray(done, Math.min(length, done + MAX_READ_BYTES))
      const read = this.#files.read(this.#file, piece, offset + done)
      if (read === 0) throw new JournalError(`${this.path} has become shorter while it was read`)
      done += read
    }
    this.#onRead?.(offset + length)
    return bytes
  }
}

/**
 * Looks for headers of records behind a fault, at any offset.
 *
 * @returns the highest `synced` in one of those headers; 0 if there are none
 */
export function findSynced(
  files: JournalFiles,
  segment: { readonly path: string; readonly seed: number },
  from: number,
): number {
  const input = new SegmentInput(files, segment.path)
  let synced = 0
  try {
    // Windows overlap by all but one byte of a header.
    for (let offset = from; offset < input.size; offset += WINDOW_BYTES / 2) {
      const bytes = input.upTo(offset, WINDOW_BYTES / 2 + RECORD_HEADER_BYTES - 1)
      for (
        let at = bytes.indexOf(RECORD_MAGIC);
        at >= 0;
        at = bytes.indexOf(RECORD_MAGIC, at + 1)
      ) {
        const header = decodeRecordHeader(
          bytes.subarray(at, at + RECORD_HEADER_BYTES),
          segment.seed,
        )
        if (header !== undefined) synced = Math.max(synced, header.synced)
      }
    }
  } finally {
    input.close()
  }
  return synced
}
