import { closeSync, type Dirent, lstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { chmod, lstat, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Logger } from 'pino'
import { kindOf } from '../text/regular-file.ts'
import { DamagedDataError, PersistenceError } from './errors.ts'

/** What LevelDB's file CURRENT holds: the name of another file beside it. */
const CURRENT = /^MANIFEST-\d+\n$/
const MAX_CURRENT_BYTES = 64
/** What LevelDB removes, or writes over, where it finds no CURRENT and begins a new database; and the journal. */
const OF_A_TREE = /^(\d+\.(log|ldb|sst|dbtmp)|MANIFEST-\d+|journal)$/
/** The first of these that it makes, before CURRENT. They hold nothing. */
const OF_A_FIRST_START = /^(MANIFEST-000001|000001\.dbtmp)$/
const OTHERS = 0o077
const DIRECTORY_MODE = 0o700
const FILE_MODE = 0o600

/** The errors of a directory in which nothing can be made. */
export const NOT_WRITABLE: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS'])

/** Whether a name is taken, be it by a link that leads nowhere. */
export function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

/**
 * Checks that a tree consists of files of its own, because LevelDB would wait for ever for a pipe,
 * read a device without end, and show what a link leads to. A tree that does not exist passes.
 *
 * @throws PersistenceError if something else stands among them
 */
export function assertOwnFiles(tree: string): void {
  for (const entry of entriesOf(tree)) {
    // LevelDB reads no directories; its repair makes one.
    if (entry.isFile() || entry.isDirectory()) continue
    throw new PersistenceError(
      `${join(tree, entry.name)} is ${kindOf(entry)}, and only files are read: restore the file, or move it away`,
    )
  }
}

/**
 * Checks that the file CURRENT leads to a file of the tree, because LevelDB follows it anywhere; and that it is there if anything
 * of a tree is: it may be one that is being restored, file by file.
 *
 * @throws DamagedDataError if it does not, or is not
 */
export function assertCurrent(tree: string): void {
  const current = currentOf(tree)
  if (current === undefined && !isThere(join(tree, 'CURRENT')) && entriesOf(tree).some(isOfTree)) {
    throw new DamagedDataError('its file CURRENT is missing')
  }
  // LevelDB says itself what else can be wrong with the file.
  if (current?.includes('/')) throw new DamagedDataError('its file CURRENT leads elsewhere')
  if (current !== undefined && current.length > 0 && !CURRENT.test(current)) {
    throw new DamagedDataError('its file CURRENT names no file of it')
  }
}

/** What the file CURRENT says, which is something else each time that LevelDB has been opened; undefined without one. */
export function currentOf(tree: string): string | undefined {
  return startOf(join(tree, 'CURRENT'))
}

function isOfTree({ name }: Dirent): boolean {
  return OF_A_TREE.test(name) && !OF_A_FIRST_START.test(name)
}

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
  } catch {
    return []
  }
}

/** The first bytes of a file; undefined if it cannot be read. */
function startOf(path: string): string | undefined {
  const bytes = Buffer.alloc(MAX_CURRENT_BYTES)
  try {
    const file = openSync(path, 'r')
    try {
      return bytes.toString('latin1', 0, readSync(file, bytes))
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined
  }
}

/**
 * Takes the rights of other users to a tree away, because it holds what clients keep secret: of the
 * tree, its files, and the directory that it is in, unless that holds something else. The tree may be a link; a link
 * in it is left alone, because it may lead anywhere. A failure is logged.
 */
export async function tighten(tree: string, logger: Logger): Promise<void> {
  const directory = dirname(tree)
  try {
    let loose = await restrict(tree)
    const names = await readdir(tree, { recursive: true })
    for (const name of names) {
      const path = join(tree, name)
      if (!(await lstat(path)).isSymbolicLink()) await restrict(path)
    }
    const others = (await readdir(directory)).some((name) => !/^tree(\.|$)/.test(name))
    if (!others && (await restrict(directory))) loose = true
    if (loose) logger.warn({ directory }, 'other users could read the data, and cannot any more')
  } catch (error) {
    logger.warn({ err: error, directory }, 'cannot keep other users from reading the data')
  }
}

/** @returns whether others had any rights */
async function restrict(path: string): Promise<boolean> {
  const link = await lstat(path)
  const stats = link.isSymbolicLink() ? await stat(path) : link
  if ((stats.mode & OTHERS) === 0) return false
  await chmod(path, stats.isDirectory() ? DIRECTORY_MODE : FILE_MODE)
  return true
}
