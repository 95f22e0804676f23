import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Logger } from 'pino'
import { Journal, type JournalOptions } from '../log/journal.ts'
import { DamagedJournalError, JournalError } from '../log/journal-errors.ts'
import type { JournalFiles } from '../log/journal-files.ts'
import { JournalReader, type ReadOptions } from '../log/journal-reader.ts'
import type { JournalPlace } from './copy-state.ts'
import { makeDirectory, treeOf } from './data-directory.ts'
import { DamagedDataError, PersistenceError } from './errors.ts'

/** How often progress is logged, in milliseconds. */
const PROGRESS_INTERVAL_MS = 1000
const MB = 1024 ** 2

/** Where the journal of a tree is: beside LevelDB's files, so that it moves with them. */
export function journalOf(tree: string): string {
  return join(tree, 'journal')
}

export interface OpenOptions extends Pick<JournalOptions, 'apply' | 'onTorn'> {
  readonly logger: Logger
  readonly files?: JournalFiles | undefined
}

/**
 * Opens the journal of a data directory, which makes it if there is none, and applies what comes after the
 * checkpoint.
 *
 * @param place where it goes on; undefined if the tree knows no journal, `new` if there is no tree
 * @throws PersistenceError if it cannot be read
 */
export async function openJournal(
  directory: string,
  place: JournalPlace | 'new' | undefined,
  { apply, onTorn, logger, files }: OpenOptions,
): Promise<Journal> {
  const path = journalOf(treeOf(directory))
  const started = performance.now()
  let loggedAt = started
  let records = 0
  try {
    // What a first checkpoint has left that was never finished is worth nothing.
    if (place === 'new') await rm(path, { recursive: true, force: true })
    await makeDirectory(path)
    const from = typeof place === 'object' ? place : undefined
    const journal = await Journal.open(path, {
      ...(from && placeIn(from)),
      ...(files && { files }),
      ...(onTorn && { onTorn }),
      apply: (record) => {
        if (from === undefined) throw new DamagedJournalError(path, 'its tree does not know it')
        records++
        apply(record)
      },
      onProgress(bytes, total) {
        const now = performance.now()
        if (now - loggedAt < PROGRESS_INTERVAL_MS) return
        loggedAt = now
        const [done, all] = [bytes, total].map((each) => Math.round(each / MB))
        logger.info({ bytes, total }, `applying the journal: ${done} of ${all} MB`)
      },
    })
    if (records > 0) {
      const ms = Math.round(performance.now() - started)
      logger.info({ records, ms }, `applied ${records} records of the journal`)
    }
    return journal
  } catch (error) {
    throw explain(error)
  }
}

/**
 * Reads the journal of a tree that no server is using, and applies what comes after the checkpoint.
 *
 * @param onDamage called if it is damaged; then what comes before the damage has been applied. Without
 * it, damage is thrown
 * @param onTorn called if its end is torn, and left out; without it, that is damage to be told
 * @throws PersistenceError if it cannot be read
 */
export function readJournal(
  tree: string,
  place: JournalPlace | undefined,
  {
    applyRecord,
    onDamage,
    onTorn = onDamage,
  }: {
    applyRecord: (record: Buffer) => void
    onDamage?: (what: string) => void
    onTorn?: (what: string) => void
  },
): void {
  if (place === undefined) return
  const path = journalOf(tree)
  try {
    if (!existsSync(path)) throw new DamagedJournalError(path, 'it is missing')
    const reader = new JournalReader(path, placeIn(place))
    if (reader.segments.length === 0) throw new DamagedJournalError(path, 'it is empty')
    for (const { payload } of reader.records()) applyRecord(payload)
    if (reader.torn === undefined) return
    const { path: file, offset, bytes } = reader.torn
    onTorn?.(
      `the journal ends in the middle of a write: ${bytes} bytes after byte ${offset} of ${basename(file)} are left out`,
    )
  } catch (error) {
    if (onDamage === undefined || !(error instanceof JournalError)) throw explain(error)
    onDamage(error instanceof DamagedJournalError ? error.what : error.message)
  }
}

/** Where a reader of the journal begins. */
function placeIn({ id, position, segment }: JournalPlace): ReadOptions {
  return { id: Buffer.from(id, 'hex'), from: position, segment }
}

/** The error as this room's own, to which its callers add advice. */
function explain(error: unknown): unknown {
  if (error instanceof DamagedJournalError) return new DamagedDataError(error.what)
  if (error instanceof JournalError) return new PersistenceError(error.message, { cause: error })
  return error
}
