import { constants, existsSync } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { DamagedDataError } from './errors.ts'
import { hasMarker } from './marker.ts'

/** Between the tree's name and the process that has made the links. */
const SUFFIX = '.before-start-'
/** So many bytes of the newest files are copied, not linked. */
const COPIED = 64 * 1024 * 1024

/**
 * Opening a damaged LevelDB makes it worse: it removes files that it does not know any more. So
 * its files, which are never changed once written, are linked into a second directory first. But a
 * file that a MANIFEST cut short does not name may have its number, and its content, taken by a new
 * one: the newest are copied. The name holds the process's id, for another server may try to start
 * on the same directory.
 */
function linksOf(location: string, pid = process.pid): string {
  return `${location}${SUFFIX}${pid}`
}

/**
 * Links the files of a tree into a directory beside it, where the file system can do that.
 *
 * @throws DamagedDataError if files are missing that every LevelDB has
 */
export async function preserve(location: string): Promise<void> {
  await clearLeftovers(location)
  if (!existsSync(location)) return
  const names = await readdir(location)
  // Without a marker it may be LevelDB's very first start that was cut short.
  if (hasMarker(location) && !names.some((name) => name.endsWith('.log'))) {
    throw new DamagedDataError('its log is missing')
  }
  const links = linksOf(location)
  try {
    await mkdir(links)
    let copied = 0
    for (const name of names.sort(newestFirst)) {
      if (name === 'LOCK') continue
      const [from, to] = [join(location, name), join(links, name)]
      copied += (await stat(from)).size
      if (copied > COPIED) await link(from, to)
      else await copyFile(from, to, constants.COPYFILE_FICLONE)
    }
  } catch {
    // No room, no hard links here, or another server at work: there is no more to be had than the tree.
    await rm(links, { recursive: true, force: true })
  }
}

/** Puts the tree back as it was before it was opened; it must be closed again. */
export async function putBack(location: string): Promise<void> {
  const links = linksOf(location)
  if (!existsSync(links)) return
  // The copies among them are all there will be.
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

/** By the numbers in the names of LevelDB's files. */
function newestFirst(a: string, b: string): number {
  return numberIn(b) - numberIn(a)
}

function numberIn(name: string): number {
  return Number(/\d+/.exec(name)?.[0] ?? 0)
}

/** All is well: the links are of no more use. */
export async function letGo(location: string): Promise<void> {
  await rm(linksOf(location), { recursive: true, force: true })
}

/** What starts have left that were cut short. */
async function clearLeftovers(location: string): Promise<void> {
  const parent = dirname(location)
  if (!existsSync(parent)) return
  const prefix = `${basename(location)}${SUFFIX}`
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix) || isOther(Number.parseInt(name.slice(prefix.length), 10)))
      continue
    const left = join(parent, name)
    // It ended between the two renames of putBack.
    if (!existsSync(location) && !name.endsWith('.opened')) await rename(left, location)
    else await rm(left, { recursive: true, force: true })
  }
}

/** Whether it is another process, and still there. */
function isOther(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
