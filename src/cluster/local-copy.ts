import { lstat, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { makeDirectory, syncDirectory } from '../persistence/data-directory.ts'
import { PersistenceError } from '../persistence/errors.ts'
import { MAX_STATE_BYTES } from '../store/snapshot/snapshot.ts'
import { bytesOf, type Value } from '../store/value.ts'
import { kindOf, OPEN_FLAGS } from '../text/regular-file.ts'
import {
  batchIn,
  fieldsOf,
  HeadError,
  headText,
  lengthIn,
  MAX_HEAD_BYTES,
  nameIn,
  type StateHead,
  stateHeadOf,
} from './head-fields.ts'
import type { BatchName } from './keys.ts'
import type { LengthSince } from './log-length.ts'

/** What is said about a copy before its state. */
export interface CopyHead extends StateHead {
  /** The id of the log that it is of. */
  readonly log: string
  /** The cluster of etcd that had the log, as `header.cluster_id` tells it; a former ktree did not write it. */
  readonly cluster?: number | undefined
  /** The batch at its revision. */
  readonly batch: BatchName
  /** How long the log was when it was taken; unknown in what a former ktree has written. */
  readonly length: LengthSince | undefined
}

/** The copy cannot be used; etcd has everything that is in it. */
export class DamagedCopyError extends Error {
  override name = 'DamagedCopyError'
}

const CHECKSUM_BYTES = 4
const FILE_MODE = 0o600
/** No copy is longer: its head has the paths of the last changes, which are few. */
const MAX_COPY_BYTES = MAX_STATE_BYTES + MAX_HEAD_BYTES

/**
 * A node's copy of the tree in a file, so that its next start reads from etcd only what has come since:
 *
 *     head as JSON | line feed | state as KSAVE writes it | CRC-32 of all before 4
 */
export class LocalCopy {
  readonly path: string
  /** Resolves when the last copy has been written, or could not be. */
  #written: Promise<unknown> = Promise.resolve()

  constructor(path: string) {
    this.path = path
  }

  /** @returns undefined if there is none @throws DamagedCopyError */
  async read(): Promise<{ head: CopyHead; state: Buffer } | undefined> {
    let bytes: Buffer
    try {
      bytes = await bytesIn(this.path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      throw new DamagedCopyError((error as Error).message)
    }
    const end = bytes.length - CHECKSUM_BYTES
    const start = bytes.indexOf('\n') + 1
    if (start === 0 || end < start || crc32(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) {
      throw new DamagedCopyError('its checksum is wrong')
    }
    return { head: headOf(bytes.subarray(0, start)), state: bytes.subarray(start, end) }
  }

  /**
   * Replaces the copy, after those that are being written.
   *
   * @param pieces of the state
   * @throws the system's error; the former copy then stays
   */
  write(head: CopyHead, pieces: Iterable<Value>): Promise<void> {
    const write = (): Promise<void> => this.#write(head, pieces)
    const written = this.#written.then(write, write)
    this.#written = written.catch(() => {})
    return written
  }

  async #write(head: CopyHead, pieces: Iterable<Value>): Promise<void> {
    // The same name each time, so that what a process leaves that is killed is written over.
    const temporary = `${this.path}.tmp`
    await makeDirectory(dirname(this.path))
    await removeFile(temporary)
    try {
      await writeAll(temporary, head, pieces)
      await rename(temporary, this.path)
      await syncDirectory(dirname(this.path))
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }
}

/** @throws DamagedCopyError */
function headOf(json: Buffer): CopyHead {
  try {
    const fields = fieldsOf(headText(json))
    const cluster = typeof fields.cluster === 'number' ? fields.cluster : undefined
    const [log, batch] = [nameIn(fields, 'log'), batchIn(fields, 'batch')]
    return { ...stateHeadOf(fields), log, cluster, batch, length: lengthIn(fields, 'length') }
  } catch (error) {
    if (error instanceof HeadError) throw new DamagedCopyError(`it ${error.message}`)
    throw error
  }
}

/** The content of a file, of nothing else: a pipe would be waited for, and a device read without end. @throws Error */
async function bytesIn(path: string): Promise<Buffer> {
  const file = await open(path, OPEN_FLAGS)
  try {
    const stats = await file.stat()
    if (!stats.isFile()) throw new PersistenceError(`it is ${kindOf(stats)}, and no file`)
    if (stats.size > MAX_COPY_BYTES) throw new PersistenceError('it is longer than any copy')
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** Removes a file, if there is one. @throws PersistenceError if something else has its name, which stays */
async function removeFile(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined)
  if (stats?.isFile() === false) {
    throw new PersistenceError(`${path} is ${kindOf(stats)}, and no file: move it away`)
  }
  await rm(path, { force: true })
}

/** @param path where nothing is, because what a link leads to must not be written over */
async function writeAll(path: string, head: CopyHead, pieces: Iterable<Value>): Promise<void> {
  const file = await open(path, 'wx', FILE_MODE)
  try {
    let sum = 0
    const add = async (bytes: Uint8Array): Promise<void> => {
      // zlib begins anew where it is given nothing.
      if (bytes.length === 0) return
      sum = crc32(bytes, sum)
      await file.writeFile(bytes)
    }
    await add(Buffer.from(`${JSON.stringify(head)}\n`))
    for (const piece of pieces) await add(bytesOf(piece))
    const checksum = Buffer.alloc(CHECKSUM_BYTES)
    checksum.writeUInt32LE(sum)
    await file.writeFile(checksum)
    await file.sync()
  } finally {
    await file.close()
  }
}
