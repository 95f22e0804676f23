import { constants } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { DamagedStateError, errorIn, fileError, TransferError } from './errors.ts'
import { findSnapFiles } from './etcd-directory.ts'
import type { Progress } from './progress.ts'
import { looksLikeSnapFile, readSnapFile } from './snap-file.ts'

const MB = 1024 ** 2
/** The document becomes one string, and a string cannot be longer. */
const MAX_BYTES = constants.MAX_STRING_LENGTH
/** How many damaged snapshots are reported one by one. */
const MAX_SHOWN_SNAPSHOTS = 10
/** The position of the magic number of a bolt database, in which etcd keeps v3 data. */
const BOLT_MAGIC_AT = 16
const BOLT_MAGIC = 0xed0cdaed

/** A state to import, not checked yet. */
export interface Input {
  /** Its file, or `standard input`. */
  readonly name: string
  /** A JSON document in UTF-8. */
  readonly document: Buffer
  /** The index of its last raft entry, if the state comes from a .snap file. */
  readonly raftIndex?: number
}

/**
 * Reads a state to import: a JSON document or one of etcd's .snap files, which are told apart by
 * their content. From a directory, takes the newest .snap file that is not damaged.
 *
 * @param path of a file or a directory; `-` is standard input
 * @param maxBytes the size of the largest state that is accepted
 * @throws TransferError
 */
export async function readInput(
  path: string,
  stdin: Readable,
  progress: Progress,
  maxBytes = MAX_BYTES,
): Promise<Input> {
  if (path === '-') {
    return recognize(
      'standard input',
      await readStream(stdin, 'standard input', 0, progress, maxBytes),
    )
  }
  const stats = await statFile(path)
  if (!stats.isDirectory()) return readFile(path, progress, maxBytes)
  const input = await readNewestWhole(await findSnapFiles(path), progress, maxBytes)
  progress.line(`taking ${input.name}`)
  return input
}

/**
 * Skips damaged snapshots, as etcd does. A snapshot that may be whole, but cannot be read, is not passed over, because an
 * older state would be taken for the newest.
 *
 * @param paths from the newest to the oldest; at least one
 * @throws TransferError of the first that cannot be read, or of the oldest if all are damaged
 */
async function readNewestWhole(
  paths: readonly string[],
  progress: Progress,
  maxBytes: number,
): Promise<Input> {
  for (let i = 0; ; i++) {
    try {
      const input = await readFile(paths[i], progress, maxBytes)
      if (i > MAX_SHOWN_SNAPSHOTS) {
        progress.line(`passing over ${i - MAX_SHOWN_SNAPSHOTS} more snapshots`)
      }
      return input
    } catch (error) {
      if (i === paths.length - 1) throw error
      if (!(error instanceof DamagedStateError)) throw mayBeWhole(error)
      if (i < MAX_SHOWN_SNAPSHOTS) progress.line(`passing over a snapshot: ${error.message}`)
      else progress.update('passing over:', i, paths.length, 'snapshots')
    }
  }
}

function mayBeWhole(error: unknown): unknown {
  if (!(error instanceof TransferError)) return error
  return new TransferError(
    `${error.message}. It is not passed over, because it may be whole; to import an older snapshot, give its file`,
    { cause: error },
  )
}

async function statFile(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    throw fileError('read', path, error)
  }
}

async function readFile(path: string, progress: Progress, maxBytes: number): Promise<Input> {
  const stats = await statFile(path)
  // Pipes, because a shell makes them: `ktree import <(zcat a.gz)`.
  if (!stats.isFile() && !stats.isFIFO()) {
    throw new TransferError(`${path} is neither a file nor a pipe`)
  }
  // The size is 0 unless it is a regular file.
  const { size } = stats
  if (size > maxBytes) throw tooLarge(path, maxBytes)
  // Each read takes a buffer of that size, and a directory may hold many small snapshots.
  const highWaterMark = size === 0 ? MB : Math.min(MB, size)
  const stream = createReadStream(path, { highWaterMark })
  return recognize(path, await readStream(stream, path, size, progress, maxBytes))
}

/** @param size in bytes; 0 if it is unknown */
async function readStream(
  stream: Readable,
  path: string,
  size: number,
  progress: Progress,
  maxBytes: number,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of stream) {
      chunks.push(Buffer.from(chunk))
      bytes += chunk.length
      // A stream without end, such as /dev/zero, must not be read to the limit first.
      if (chunks.length === 1 && !looksLikeState(chunks[0])) break
      if (bytes > maxBytes) throw tooLarge(path, maxBytes)
      progress.update('reading:', Math.floor(bytes / MB), Math.ceil(size / MB), 'MB')
    }
  } catch (error) {
    throw error instanceof TransferError ? error : fileError('read', path, error)
  }
  return Buffer.concat(chunks, bytes)
}

function tooLarge(name: string, maxBytes: number): TransferError {
  const limit = `no more than ${Math.floor(maxBytes / MB)} MB can be read`
  return new TransferError(`${name} is too large: ${limit}`)
}

/** Whether the beginning of an input may be that of a state, or says better why it is none. */
function looksLikeState(start: Buffer): boolean {
  if (looksLikeSnapFile(start) || start.length < BOLT_MAGIC_AT + 4) return true
  if (start.readUInt32LE(BOLT_MAGIC_AT) === BOLT_MAGIC) return false
  return /^[ \t\r\n]*(\{|$)/.test(start.toString('latin1', 0, 1000))
}

function recognize(name: string, content: Buffer): Input {
  if (content.length === 0) throw new DamagedStateError(`${name} is empty`)
  if (content.length >= BOLT_MAGIC_AT + 4 && content.readUInt32LE(BOLT_MAGIC_AT) === BOLT_MAGIC) {
    const wanted = 'what can be imported is v2 data: a JSON state, or a .snap file of member/snap'
    throw new DamagedStateError(`${name} is a database with etcd v3 data; ${wanted}`)
  }
  if (looksLikeSnapFile(content)) {
    try {
      return { name, ...readSnapFile(content) }
    } catch (error) {
      if (!(error instanceof TransferError)) throw errorIn(name, error)
      throw new DamagedStateError(`${name}: ${error.message}`, { cause: error })
    }
  }
  if (/^[ \t\r\n]*\{/.test(content.toString('latin1', 0, 1000))) return { name, document: content }
  throw new DamagedStateError(`${name} is neither a state in JSON nor a .snap file of etcd`)
}
