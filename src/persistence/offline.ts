import { existsSync } from 'node:fs'
import { cp, realpath, rename, rm } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Store } from '../store/store.ts'
import { Changes } from '../store/tree/changes.ts'
import { nodesBelow } from '../store/tree/node.ts'
import { Checkpoint } from './checkpoint.ts'
import { emptyCopy } from './copy-state.ts'
import { adviceOn, putInPlace, setAside, treeOf } from './data-directory.ts'
import { withLock } from './directory-lock.ts'
import { contentOf, isEmpty } from './empty-tree.ts'
import { DamagedDataError, PersistenceError } from './errors.ts'
import { assertFinished, assertTree } from './interrupted.ts'
import { readJournal } from './journal-home.ts'
import { Engine } from './level.ts'
import { load } from './load.ts'
import { leaveOutDamage } from './log-damage.ts'
import { writeMarker } from './marker.ts'
import { withReadingCopy } from './reading-copy.ts'
import { currentOf, isThere } from './tree-files.ts'
import { TreeLock } from './tree-lock.ts'

/** Called now and then with the number of nodes that are done, and of all nodes. */
export type OnProgress = (done: number, total: number) => void

/** Applies a record of the journal to the store. */
export type ApplyRecord = (record: Buffer) => void

export interface WriteOptions {
  /** Move an existing tree aside. Without it, an existing tree is an error. */
  replace: boolean
  onProgress?: OnProgress
}

export interface RepairOptions {
  applyRecord: ApplyRecord
  /** Called for each damage. */
  onDamage: (what: string) => void
  onProgress?: OnProgress
}

/**
 * Writes a whole store into a data directory that no server is using: all of it, or nothing.
 *
 * @returns the new place of the former tree, if there was one
 * @throws PersistenceError
 */
export function writeDataDirectory(
  directory: string,
  store: Store,
  options: WriteOptions,
): Promise<{ setAside: string | undefined }> {
  return withLock(directory, () => replaceTree(directory, store, options))
}

async function replaceTree(
  directory: string,
  store: Store,
  { replace, onProgress }: WriteOptions,
): Promise<{ setAside: string | undefined }> {
  assertFinished(directory)
  const tree = treeOf(directory)
  const former = await lockFormer(directory, replace)
  const importing = `${tree}.importing`
  let aside: string | undefined
  try {
    await rm(importing, { recursive: true, force: true })
    await writeTree(importing, store, onProgress)
    // A former ktree knows no other lock than that of the tree, which is kept until it has moved.
    if (former !== undefined) aside = await setAside(tree, 'replaced')
    await putInPlace(importing, tree)
  } catch (error) {
    if (aside !== undefined && !isThere(tree)) await rename(aside, tree)
    await rm(importing, { recursive: true, force: true })
    throw error instanceof PersistenceError
      ? error
      : new PersistenceError(`cannot write ${tree}: ${(error as Error).message}`)
  } finally {
    await former?.lock?.release()
  }
  if (aside === undefined || replace) return { setAside: aside }
  await rm(aside, { recursive: true, force: true })
  return { setAside: undefined }
}

/**
 * Reads the tree of a data directory that no server is using, and leaves its files as they are. The caller has the
 * lock of the directory.
 *
 * @param onTorn called if the end of its journal is torn, and left out
 * @throws PersistenceError
 */
export async function readDataDirectory(
  directory: string,
  store: Store,
  options: {
    applyRecord: ApplyRecord
    onTorn?: (what: string) => void
    onProgress?: OnProgress
  },
): Promise<void> {
  assertFinished(directory)
  const tree = treeOf(directory)
  if (!existsSync(tree)) throw new PersistenceError(`${directory} holds no tree`)
  let lock: TreeLock | undefined
  try {
    lock = await TreeLock.take(tree)
    await withReadingCopy(tree, (engine) => readTree(directory, tree, engine, store, options))
  } catch (error) {
    throw adviceOn(directory, error)
  } finally {
    await lock?.release()
  }
}

/**
 * Replaces a damaged tree by the parts of it that can be read. The damaged tree is moved aside.
 *
 * @returns the new place of the damaged tree
 * @throws PersistenceError if nothing can be read, or the directory is in use; nothing is changed
 *   then
 */
export async function repairDataDirectory(
  directory: string,
  store: Store,
  options: RepairOptions,
): Promise<{ setAside: string }> {
  assertTree(directory)
  return await withLock(directory, () => repairTree(directory, store, options))
}

async function repairTree(
  directory: string,
  store: Store,
  options: RepairOptions,
): Promise<{ setAside: string }> {
  assertFinished(directory)
  const tree = treeOf(directory)
  const lock = await TreeLock.take(tree)
  const before = currentOf(tree)
  const repairing = `${tree}.repairing`
  const repaired = `${tree}.repaired`
  try {
    await rm(repairing, { recursive: true, force: true })
    await rm(repaired, { recursive: true, force: true })
    // The tree itself may be a link to where it lies. Reading its LOCK would release the lock.
    const filter = (path: string): boolean => basename(path) !== 'LOCK'
    await cp(await realpath(tree), repairing, { recursive: true, filter })
    leaveOutDamage(repairing)
    await Engine.repair(repairing)
    let exact = true
    const onDamage = (what: string): void => {
      exact = false
      options.onDamage(what)
    }
    const read = { ...options, onDamage }
    if (!(await readRepaired(directory, repairing, store, read))) exact = false
    await writeTree(repaired, store, options.onProgress, exact)
    await rm(repairing, { recursive: true })
    // A server of a former ktree knows only the lock of the tree, which not every file system lets others take.
    if (currentOf(tree) !== before) {
      throw new PersistenceError(`a server has used ${tree} meanwhile; it is as the server left it`)
    }
    const aside = await setAside(tree, 'damaged')
    try {
      await putInPlace(repaired, tree)
    } catch (error) {
      await rename(aside, tree)
      throw error
    }
    return { setAside: aside }
  } catch (error) {
    await rm(repairing, { recursive: true, force: true })
    await rm(repaired, { recursive: true, force: true })
    if (!(error instanceof DamagedDataError)) throw error
    throw new PersistenceError(
      `nothing can be read of ${tree}: ${error.message}. It is as it was; restore a backup.`,
    )
  } finally {
    await lock.release()
  }
}

/**
 * Looks what is in the place of the tree, and locks it if it is one. Its files stay as they are.
 *
 * @returns undefined if nothing is there
 * @throws PersistenceError if it must not be replaced
 */
async function lockFormer(
  directory: string,
  replace: boolean,
): Promise<{ lock: TreeLock | undefined } | undefined> {
  const tree = treeOf(directory)
  if (!existsSync(tree)) {
    if (!isThere(tree)) return undefined
    if (replace) return { lock: undefined }
    throw new PersistenceError(`${tree} is a link that leads nowhere; --replace moves it aside`)
  }
  const content = contentOf(tree)
  if (content === 'foreign' && !replace) {
    throw new PersistenceError(`${tree} holds files of somebody else; --replace moves it aside`)
  }
  if (content !== 'tree') return { lock: undefined }
  const lock = await TreeLock.take(tree)
  try {
    if (replace || (await withReadingCopy(tree, (engine) => isEmpty(engine, tree)))) return { lock }
    throw new PersistenceError(`${tree} holds a tree already; --replace moves it aside`)
  } catch (error) {
    await lock.release()
    throw adviceOn(directory, error)
  }
}

interface ReadOptions {
  applyRecord: ApplyRecord
  onDamage?: (what: string) => void
  onTorn?: (what: string) => void
  onProgress?: OnProgress | undefined
}

/** @returns whether every acknowledged write is in it */
async function readRepaired(
  directory: string,
  location: string,
  store: Store,
  options: ReadOptions,
): Promise<boolean> {
  const engine = await Engine.open(location, false)
  try {
    return await readTree(directory, location, engine, store, options)
  } finally {
    await engine.close()
  }
}

/**
 * @param tree has the journal
 * @param engine has the checkpoint
 * @returns whether every acknowledged write is in it
 */
async function readTree(
  directory: string,
  tree: string,
  engine: Engine,
  store: Store,
  options: ReadOptions,
): Promise<boolean> {
  const loaded = await load(engine, { limits: store.history.limits, ...options })
  if (loaded === undefined) throw new PersistenceError(`${directory} holds no tree`)
  store.restore(loaded.state)
  readJournal(tree, loaded.journal, options)
  return loaded.exact
}

/**
 * Writes a tree to a place where there is none.
 *
 * @param exact false if clients may have seen writes that are not in it
 */
async function writeTree(
  location: string,
  store: Store,
  onProgress: OnProgress | undefined,
  exact = true,
): Promise<void> {
  const engine = await Engine.open(location)
  try {
    const total = store.files
    const changes = new Changes()
    changes.count(store.root)
    // Ids of a former tree mean nothing in this one.
    for (const node of nodesBelow(store.root)) if (node.dir) node.id = 0
    const checkpoint = new Checkpoint(engine, store, changes, emptyCopy(), {
      whole: true,
      unsaved: undefined,
      onProgress: onProgress && ((nodes) => onProgress(nodes, Math.max(nodes, total))),
    })
    await checkpoint.write(() => true)
    await writeMarker(location, { batch: checkpoint.copy.batch, exact, boot: '' })
  } finally {
    await engine.close()
  }
}
