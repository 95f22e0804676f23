import { constants, existsSync, statSync } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { DamagedDataError } from './errors.ts'
import { journalOf } from './journal-home.ts'
import { hasMarker } from './marker.ts'
import { assertCurrent, assertOwnFiles } from './tree-files.ts'

/** Between the name of the tree and a number, in the name of the links' directory. */
const SUFFIX = '.before-start-'
/** At the end of the name while links are made. */
const MAKING = '.making'
/** At the end of the name of a tree that has been opened, and whose place the links are about to take. */
const OPENED = '.opened'
/** The newest files, up to this size together, are copied rather than linked. */
const MAX_COPIED_BYTES = 64 * 1024 * 1024
/** Of so many starts that were killed the links are kept, the first: a start may be killed over and over. */
const MAX_KEPT = 3

/**
 * Links the files of a tree into a directory beside it, if the file system can do that. It keeps them while the tree is
 * opened, because opening a damaged LevelDB makes it worse: it removes files that it no longer knows.
 *
 * Links are enough for most files, because LevelDB never changes a file that it has finished. The
 * newest files are copied: if a MANIFEST is cut short and does not name such a file, LevelDB may
 * reuse its number and overwrite it.
 *
 * What earlier starts have kept that were killed is kept, too, until a start has opened the tree: it may be damaged since.
 *
 * @returns the directory, for {@link giveBack}; undefined if there is none
 * @throws DamagedDataError if a file is missing that every LevelDB has
 * @throws PersistenceError if it holds anything but files
 */
export async function preserve(location: string): Promise<string | undefined> {
  await tidyKept(location)
  if (!existsSync(location)) return undefined
  assertOwnFiles(location)
  assertCurrent(location)
  const names = await readdir(location)
  // Without a marker, LevelDB's very first start may have been cut short.
  if (hasMarker(location) && !names.some((name) => name.endsWith('.log'))) {
    throw new DamagedDataError('its log is missing')
  }
  let number = process.pid
  while (existsSync(`${location}${SUFFIX}${number}`)) number++
  const kept = `${location}${SUFFIX}${number}`
  const links = `${kept}${MAKING}`
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
    await rename(links, kept)
    return kept
  } catch {
    // No room, no hard links, or another server at work: the tree is then opened without a copy.
    await rm(links, { recursive: true, force: true })
    return undefined
  }
}

/**
 * Leaves a tree that could not be opened as it was before. It must be closed.
 *
 * @param links what {@link preserve} has made of it
 * @param error why; only of damage the tree is put back, because others have changed nothing
 */
export async function giveBack(location: string, links: string, error: unknown): Promise<void> {
  if (error instanceof DamagedDataError) await putBack(location, links)
  else await rm(links, { recursive: true, force: true }).catch(() => {})
}

async function putBack(location: string, links: string): Promise<void> {
  // Synced, because the originals of the copied files are about to be removed.
  for (const name of await readdir(links)) await sync(join(links, name))
  await sync(links)
  const opened = `${links}${OPENED}`
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

/** Removes the links of this start, and of earlier ones, when the tree has been opened without damage. */
export async function letGo(location: string): Promise<void> {
  for (const links of await keptBeside(location)) await rm(links, { recursive: true, force: true })
}

/** What starts have kept of a tree that were killed before they knew whether it is damaged; nothing if that cannot be read. */
export async function keptOf(location: string): Promise<string[]> {
  const beside = await keptBeside(location).catch(() => [])
  return beside.filter((path) => /\d$/.test(path))
}

async function keptBeside(location: string): Promise<string[]> {
  const [parent, prefix] = [dirname(location), `${basename(location)}${SUFFIX}`]
  if (!existsSync(parent)) return []
  const names = (await readdir(parent)).filter((name) => name.startsWith(prefix))
  return names.sort().map((name) => join(parent, name))
}

/** Ends what starts have left that were killed while they made links, or put them back, and removes what is too many. */
async function tidyKept(location: string): Promise<void> {
  const beside = await keptBeside(location)
  for (const opened of beside.filter((path) => path.endsWith(OPENED))) {
    const links = opened.slice(0, -OPENED.length)
    // That start ended between the two renames.
    if (!existsSync(location) && beside.includes(links)) await rename(links, location)
    await rm(opened, { recursive: true, force: true })
  }
  for (const making of beside.filter((path) => path.endsWith(MAKING))) {
    await rm(making, { recursive: true, force: true })
  }
  const kept = await keptOf(location)
  const times = new Map(kept.map((path) => [path, statSync(path).mtimeMs]))
  kept.sort((a, b) => (times.get(a) ?? 0) - (times.get(b) ?? 0))
  for (const late of kept.slice(MAX_KEPT)) await rm(late, { recursive: true, force: true })
}
