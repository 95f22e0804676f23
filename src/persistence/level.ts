import { type ChainedBatch, ClassicLevel } from 'classic-level'
import { makeDirectory } from './data-directory.ts'
import { DamagedDataError, InUseError, PersistenceError } from './errors.ts'
import { directoryKey, firstFileKey, firstValueKey } from './keys.ts'
import { hasMarker } from './marker.ts'
import { assertCurrent, assertOwnFiles } from './tree-files.ts'

/** Records are read in pieces of at most this many records, and about this many bytes. */
const READ_RECORDS = 5000
const READ_BYTES = 1024 * 1024
/** How much LevelDB gathers in memory and in one log file before it writes a sorted table. */
const WRITE_BUFFER_BYTES = 8 * 1024 * 1024

type Level = ClassicLevel<Buffer, Buffer>
/** What implements a batch, without the checks and conversions of `put` and `del`. */
interface PlainBatch {
  _put(key: Buffer, value: Buffer): void
  _del(key: Buffer): void
}

/**
 * Writes that take effect together, or not at all.
 *
 * Problem: a checkpoint of a million nodes makes a million puts on the event loop, and half of each goes
 * into options, hooks and encodings that are not used here.
 * Trick: only the first goes through `put`, because a batch without any is not written; the others
 * call what `put` calls in the end.
 * Price: it depends on two methods that are meant for implementations.
 * Gain: a put takes 0.7 µs instead of 1.4.
 * Can be deleted by calling `put` and `del` each time.
 */
export class Batch {
  readonly #batch: ChainedBatch<Level, Buffer, Buffer>

  constructor(level: Level) {
    this.#batch = level.batch()
  }

  /** The bytes are copied, and may be changed after the call. */
  put(key: Buffer, value: Buffer): this {
    if (this.#batch.length === 0) this.#batch.put(key, value)
    else (this.#batch as unknown as PlainBatch)._put(key, value)
    return this
  }

  del(key: Buffer): this {
    if (this.#batch.length === 0) this.#batch.del(key)
    else (this.#batch as unknown as PlainBatch)._del(key)
    return this
  }

  /** @param sync resolve only when it is on the disk */
  write(sync: boolean): Promise<void> {
    return this.#batch.write({ sync })
  }
}
export type RawRecord = [key: Buffer, value: Buffer]

/** Keys from one to another; the last is not included. */
export interface KeyRange {
  gte: Buffer
  lt: Buffer
}

/** All keys of one kind. */
export function rangeOf(kind: number): KeyRange {
  return { gte: Buffer.from([kind]), lt: Buffer.from([kind + 1]) }
}

/** The embedded database, a LevelDB (docs/decisions/0006). No other file of ktree knows LevelDB. */
export class Engine {
  readonly location: string
  readonly #level: Level

  private constructor(location: string, level: Level) {
    this.location = location
    this.#level = level
  }

  /**
   * Opens a database.
   *
   * @param create make it if it does not exist
   * @throws PersistenceError if it is in use or damaged, holds anything but files, or if the system
   *   refuses
   */
  static async open(location: string, create = true): Promise<Engine> {
    assertOwnFiles(location)
    assertCurrent(location)
    // First, because classic-level would make the directory for all users to read.
    if (create) await makeDirectory(location).catch((error) => fail(location, error))
    const level: Level = new ClassicLevel(location, {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      writeBufferSize: WRITE_BUFFER_BYTES,
      // Without its file CURRENT, LevelDB would begin a new database and remove the old files.
      createIfMissing: create && !hasMarker(location),
    })
    try {
      await level.open()
    } catch (error) {
      fail(location, error)
    }
    return new Engine(location, level)
  }

  /**
   * Repairs a database that LevelDB does not open: it keeps the parts of the tables that are
   * intact.
   */
  static async repair(location: string): Promise<void> {
    assertOwnFiles(location)
    try {
      await ClassicLevel.repair(location)
    } catch (error) {
      throw explainOpenError(location, error)
    }
  }

  batch(): Batch {
    return new Batch(this.#level)
  }

  /**
   * @param sync resolve only when the batch is on the disk
   * @throws the system's error; the engine then takes no further write and must be opened again
   */
  write(batch: Batch, sync: boolean): Promise<void> {
    return batch.write(sync)
  }

  get(key: Buffer): Promise<Buffer | undefined> {
    return this.#level.get(key)
  }

  async isEmpty(): Promise<boolean> {
    for await (const _ of this.#level.keys({ limit: 1 })) return false
    return true
  }

  /** Reads records in the order of their keys, one piece ahead of the caller. */
  async *read(range: KeyRange): AsyncGenerator<RawRecord[], void> {
    const iterator = this.#level.iterator({
      ...range,
      highWaterMarkBytes: READ_BYTES,
      fillCache: false,
    })
    try {
      let next = iterator.nextv(READ_RECORDS)
      for (;;) {
        const records = await next
        if (records.length === 0) return
        next = iterator.nextv(READ_RECORDS)
        // A caller that stops early never awaits this piece, so its failure must be handled here.
        next.catch(() => {})
        yield records
      }
    } catch (error) {
      throw new DamagedDataError(`it cannot be read: ${reasonOf(error)}`)
    } finally {
      await iterator.close()
    }
  }

  async clear(range: KeyRange): Promise<void> {
    await this.#level.clear(range)
  }

  async close(): Promise<void> {
    await this.#level.close()
  }
}

/** Deletes the directories and values with these ids, and the files in them; `toId` is not included. */
export async function clearNodes(engine: Engine, fromId: number, toId: number): Promise<void> {
  await engine.clear({ gte: directoryKey(fromId), lt: directoryKey(toId) })
  await engine.clear({ gte: firstFileKey(fromId), lt: firstFileKey(toId) })
  await engine.clear({ gte: firstValueKey(fromId), lt: firstValueKey(toId) })
}

function fail(location: string, error: unknown): never {
  throw explainOpenError(location, error)
}

function explainOpenError(location: string, error: unknown): PersistenceError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = (cause as { code?: string }).code
  if (code === 'LEVEL_LOCKED') return new InUseError(location)
  const text = (cause as Error).message
  const missing = code === undefined || text.includes('No such file')
  if (code === 'LEVEL_CORRUPTION' || (missing && hasMarker(location))) {
    return new DamagedDataError(damageOf(text))
  }
  return new PersistenceError(`cannot open ${location}: ${reasonOf(cause)}`)
}

/** Says what is wrong with a database, and in which of its files. */
function damageOf(text: string): string {
  if (text.includes('create_if_missing')) return 'its file CURRENT is missing'
  const missing = /^IO error: \/.*\/([^/:]+): No such file or directory/.exec(text)
  return missing === null ? reasonOf(new Error(text)) : `its file ${missing[1]} is missing`
}

/** The text of an error, without the file name that LevelDB puts before it. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(/^(IO error|Corruption): (\/[^:]*: )?/, '').trim()
}
