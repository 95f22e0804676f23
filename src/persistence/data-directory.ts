import { existsSync } from 'node:fs'
import { mkdir, open, rename } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { DamagedDataError, PersistenceError } from './errors.ts'

/** Where a data directory keeps its tree. */
export function treeOf(directory: string): string {
  return join(resolve(directory), 'tree')
}

/**
 * Makes a directory and those above it. Node's own way to do so never ends below `/proc`, where a
 * directory can be there and yet have none made in it.
 *
 * @throws the system's error
 */
export async function makeDirectory(path: string): Promise<void> {
  if (existsSync(path)) return
  await makeDirectory(dirname(path))
  try {
    await mkdir(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** An error in reading a directory's data, with what its owner can do if it is damage. */
export function adviceOn(directory: string, error: unknown): PersistenceError {
  const tree = treeOf(directory)
  if (!(error instanceof PersistenceError)) {
    const reason = error instanceof Error ? error.message : String(error)
    return new PersistenceError(`cannot open ${tree}: ${reason}`, { cause: error })
  }
  if (!(error instanceof DamagedDataError)) return error
  return new DamagedDataError(
    `the data in ${tree} is damaged: ${error.message}. Nothing has been changed. ` +
      `To save what can be read: ktree repair --dir ${directory}. ` +
      `To begin anew: mv ${tree} ${tree}.damaged`,
  )
}

/**
 * Moves a tree out of the way; nothing of it is lost.
 *
 * @param why goes into its new name
 * @returns its new path
 */
export async function setAside(tree: string, why: string): Promise<string> {
  const time = new Date().toISOString().replace(/[:.]/g, '-')
  const path = `${tree}.${why}-${time}`
  await rename(tree, path)
  return path
}

/** Puts a finished tree in its place, so that a power cut leaves it there. */
export async function putInPlace(from: string, tree: string): Promise<void> {
  await rename(from, tree)
  await syncDirectory(dirname(tree))
}

/** Has the disk know the names in a directory. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
