import { constants, existsSync } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { DamagedDataError } from './errors.ts'
import { journalOf } from './journal-home.ts'
import { hasMarker } from './marker.ts'
import { assertCurrent, assertOwnFiles } from './tree-files.ts'

/** Between the name of the tree and the id of the process, in the name of the links' directory. */
const SUFFIX = '.before-start-'
/** The newest files, up to this size together, are copied rather than linked. */
const MAX_COPIED_BYTES = 64 * 1024 * 1024

/**
 * The directory that keeps the files of a tree while it is opened, because opening a damaged
 * LevelDB makes it worse: it removes files that it no longer knows.
 *
 * Links are enough for most files, because LevelDB never changes a file that it has finished. The
 * newest files are copied: if a MANIFEST is cut short and does not name such a file, LevelDB may
 * reuse its number and overwrite it.
 *
 * The name holds the id of the process, because another server may try to start on the same
 * directory.
 */
function linksOf(location: string, pid = process.pid): string {
  return `${location}${SUFFIX}${pid}`
}

/**
 * Links the files of a tree into a directory beside it, if the file system can do that.
 *
 * @throws DamagedDataError if a file is missing that every LevelDB has
 * @throws PersistenceError if it holds anything but files
 */
export async function preserve(location: string): Promise<void> {
  await clearLeftovers(location)
  if (!existsSync(location)) return
  assertOwnFiles(location)
  assertCurrent(location)
  const names = await readdir(location)
  // Without a marker, LevelDB's very first start may have been cut short.
  if (hasMarker(location) && !names.some((name) => name.endsWith('.log'))) {
    throw new DamagedDataError('its log is missing')
  }
  const links = linksOf(location)
  try {
    await mkdir(links, { mode: 0o700 })
    let copied = 0
    for (const name of names.sort(newestFirst)) {
      if (name === 'LOCK') continue
      const [from, to] = [join(location, name), join(links, name)]
      if (from === journalOf(location)) {
        // Reading the journal changes nothing in its files.
        await mkdir(to)
        for (const segment of await readdir(from))
          await link(join(from, segment), join(to, segment))
        continue
      }
      copied += (await stat(from)).size
      if (copied > MAX_COPIED_BYTES) await link(from, to)
      else await copyFile(from, to, constants.COPYFILE_FICLONE)
    }
  } catch {
    // No room, no hard links, or another server at work: the tree is then opened without a copy.
    await rm(links, { recursive: true, force: true })
  }
}

/** Restores the tree as it was before it was opened. It must be closed. */
export async function putBack(location: string): Promise<void> {
  const links = linksOf(location)
  if (!existsSync(links)) return
  // Synced, because the originals of the copied files are about to be removed.
  for (const name of await readdir(links)) await sync(join(links, name))
  await sync(links)
  const opened = `${links}.opened`
  await rename(location, opened)
  await rename(links, location)
  await rm(opened, { recursive: true, force: true })
}

async function sync(path: string): Promise<void> {
  const file = await open(path)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Compares names of LevelDB's files by the numbers in them. */
function newestFirst(a: string, b: string): number {
  return numberIn(b) - numberIn(a)
}

function numberIn(name: string): number {
  return Number(/\d+/.exec(name)?.[0] ?? 0)
}

/** Removes the links when the tree has been opened without damage. */
export async function letGo(location: string): Promise<void> {
  await rm(linksOf(location), { recursive: true, force: true })
}

/** Removes the links of starts that were cut short. */
async function clearLeftovers(location: string): Promise<void> {
  const parent = dirname(location)
  if (!existsSync(parent)) return
  const prefix = `${basename(location)}${SUFFIX}`
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix)) continue
    const left = join(parent, name)
    // That start ended between the two renames of putBack, whatever process has its id now.
    if (!existsSync(location) && !name.endsWith('.opened')) await rename(left, location)
    else if (!isOther(Number.parseInt(name.slice(prefix.length), 10)))
      await rm(left, { recursive: true, force: true })
  }
}

/** Whether this is the id of another process that is still running. */
function isOther(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
