import { existsSync } from 'node:fs'
import { mkdir, open, rename } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { DamagedDataError, PersistenceError } from './errors.ts'

/** The database of a data directory. */
export function treeOf(directory: string): string {
  return join(resolve(directory), 'tree')
}

/** What keeps a data directory to one process. */
export function lockOf(directory: string): string {
  return join(resolve(directory), 'tree.lock')
}

/** The copy of a node of a group, which is no tree of a single process. */
export function nodeCopyOf(directory: string): string {
  return join(resolve(directory), 'node-copy')
}

/** @throws PersistenceError if a directory belongs to a node of a group */
export function assertNoNode(directory: string): void {
  if (!existsSync(nodeCopyOf(directory))) return
  throw new PersistenceError(
    `${resolve(directory)} belongs to a node of a group: give its --etcd-endpoints, or choose another --dir; or, to begin an empty tree, remove ${nodeCopyOf(directory)}`,
  )
}

/**
 * Makes a directory and its parents. Node's recursive mkdir never ends below `/proc`, because
 * directories exist there in which none can be made.
 *
 * @throws the system's error
 */
export async function makeDirectory(path: string): Promise<void> {
  if (existsSync(path)) return
  await makeDirectory(dirname(path))
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** Explains an error in reading a data directory, and how to proceed if the data is damaged. */
export function adviceOn(
  directory: string,
  error: unknown,
  kept: readonly string[] = [],
): PersistenceError {
  const tree = treeOf(directory)
  if (!(error instanceof PersistenceError)) {
    const reason = error instanceof Error ? error.message : String(error)
    return new PersistenceError(`cannot open ${tree}: ${reason}`, { cause: error })
  }
  if (!(error instanceof DamagedDataError)) return error
  const earlier = kept.map(
    (path) => `A start that was killed has left the tree as it found it: ${path}. `,
  )
  return new DamagedDataError(
    `the data in ${tree} is damaged: ${error.message}. Nothing has been changed. ${earlier.join('')}` +
      `To save what can be read: ktree repair --dir ${directory}. ` +
      `To begin anew: mv ${tree} ${tree}.damaged`,
  )
}

/**
 * Renames a tree to make room for another.
 *
 * @param why becomes part of its new name
 * @returns its new path
 */
export async function setAside(tree: string, why: string): Promise<string> {
  const time = new Date().toISOString().replace(/[:.]/g, '-')
  const path = `${tree}.${why}-${time}`
  await rename(tree, path)
  return path
}

/** Moves a finished tree to its place. The move survives a power cut. */
export async function putInPlace(from: string, tree: string): Promise<void> {
  await rename(from, tree)
  await syncDirectory(dirname(tree))
}

/** Waits until the names in a directory are on the disk. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
