import type { Logger } from 'pino'
import type { Journal } from '../log/journal.ts'
import type { JournalFiles } from '../log/journal-files.ts'
import type { TornEnd } from '../log/journal-reader.ts'
import type { Store } from '../store/store.ts'
import type { Changes } from '../store/tree/changes.ts'
import { DataHome } from './data-home.ts'
import { openJournal } from './journal-home.ts'
import type { Loaded } from './load.ts'

export interface ReadParts {
  readonly store: Store
  readonly logger: Logger
  /** Applies a record of the journal to the store. */
  applyRecord(record: Buffer): void
  /** For tests. */
  readonly files?: JournalFiles | undefined
}

/** What is in a data directory, which is open now. */
export interface ReadDirectory {
  readonly home: DataHome
  /** What was read beside the tree; undefined if the directory held none. */
  readonly loaded: Loaded | undefined
  readonly journal: Journal
}

/**
 * Reads the checkpoint in a directory into the store, then applies the journal. The store notes its
 * changes since the checkpoint.
 *
 * @throws PersistenceError if the directory is in use, or cannot be read; nothing in it has changed then
 */
export async function readDirectory(
  directory: string,
  changes: Changes,
  { store, logger, applyRecord, files }: ReadParts,
): Promise<ReadDirectory> {
  let journal: Journal | undefined
  const { home, loaded } = await DataHome.load(directory, store, logger, async (opened, found) => {
    if (found !== undefined) {
      changes.tally = found.tally
      changes.nextId = found.nextId
      for (const [file, value] of found.values) changes.values.set(file, value)
    } else changes.count(store.root)
    noteChanges(store, changes, opened)
    // What is applied is in the journal already.
    changes.covered = true
    try {
      const place = found === undefined ? 'new' : found.journal
      journal = await openJournal(opened.directory, place, {
        apply: ({ payload }) => applyRecord(payload),
        onTorn: (torn) => tellTorn(logger, torn),
        logger,
        files,
      })
    } catch (error) {
      store.changes = undefined
      throw error
    } finally {
      changes.covered = false
    }
  })
  return { home, loaded, journal: journal as Journal }
}

/** Has a store note what the copy in a directory lacks from now on. */
export function noteChanges(store: Store, changes: Changes, { copy }: DataHome): void {
  store.changes = changes
  changes.firstId = Math.max(1, copy.rootId)
  changes.take(store.index)
}

function tellTorn(logger: Logger, { path, offset, bytes }: TornEnd): void {
  logger.warn(
    { path, offset, bytes },
    `the journal ended in the middle of a write: ${bytes} bytes after byte ${offset} of ${path} are cut off`,
  )
}
