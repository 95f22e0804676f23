import * as fs from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'

const fdatasync = promisify(fs.fdatasync)

/**
 * The system takes so many pieces in one call. Of more, libuv adds up the bytes of several calls, and
 * from 2 GB on takes the sum for an error.
 */
const MAX_PIECES = 1024

/**
 * The calls that the journal makes to the file system. Tests simulate a file system that takes
 * writes in part, fails, or loses power. Every function may throw the system's error.
 */
export interface JournalFiles {
  /** Names of the files in a directory, in any order. */
  list(directory: string): string[]
  /** Opens a file that exists, for reading and writing. */
  open(path: string): number
  /** Opens a file that exists, for reading: it may be on a disk that cannot be written. */
  openToRead(path: string): number
  /** The size of a file, in bytes. */
  size(file: number): number
  /** @returns the number of bytes read; 0 at the end of the file */
  read(file: number, into: Buffer, position: number): number
  /** @returns the number of bytes written, which may be fewer than given */
  write(file: number, pieces: readonly Uint8Array[], position: number): number
  truncate(file: number, size: number): void
  close(file: number): void
  /** Makes a file that must not exist yet; resolves when its name and content are on the disk. */
  create(path: string, content: Uint8Array): Promise<number>
  /** Resolves when the content of a file is on the disk; works on another thread. */
  sync(file: number): Promise<void>
  /** Like `sync`, but waits. */
  syncNow(file: number): void
  /** Resolves when the names in a directory are on the disk. */
  syncDirectory(directory: string): Promise<void>
  remove(path: string): Promise<void>
}

async function syncDirectory(path: string): Promise<void> {
  const directory: FileHandle = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** The real file system. */
export const systemFiles: JournalFiles = {
  list: (directory) => fs.readdirSync(directory),
  open: (path) => fs.openSync(path, 'r+'),
  openToRead: (path) => fs.openSync(path, 'r'),
  size: (file) => fs.fstatSync(file).size,
  read: (file, into, position) => fs.readSync(file, into, 0, into.length, position),
  write: (file, pieces, position) =>
    fs.writevSync(
      file,
      pieces.length > MAX_PIECES ? pieces.slice(0, MAX_PIECES) : pieces,
      position,
    ),
  truncate: (file, size) => fs.ftruncateSync(file, size),
  close: (file) => fs.closeSync(file),
  sync: (file) => fdatasync(file),
  syncNow: (file) => fs.fdatasyncSync(file),
  syncDirectory,
  remove: (path) => fs.promises.rm(path, { force: true }),

  async create(path, content) {
    // A plain descriptor, because appending uses the synchronous calls.
    const file = await promisify(fs.open)(path, 'wx+', 0o600)
    try {
      await promisify(fs.writeFile)(file, content)
      await fdatasync(file)
      await syncDirectory(dirname(path))
      return file
    } catch (error) {
      fs.closeSync(file)
      await fs.promises.rm(path, { force: true })
      throw error
    }
  },
}
