import { existsSync, lstatSync } from 'node:fs'
import { cp, realpath, rename, rm } from 'node:fs/promises'
import type { Store } from '../store/store.ts'
import { Changes } from '../store/tree/changes.ts'
import { nodesBelow } from '../store/tree/node.ts'
import { Checkpoint } from './checkpoint.ts'
import { emptyCopy } from './copy-state.ts'
import { adviceOn, assertTree, putInPlace, setAside, treeOf } from './data-directory.ts'
import { withLock } from './directory-lock.ts'
import { contentOf, isEmpty } from './empty-tree.ts'
import { DamagedDataError, PersistenceError } from './errors.ts'
import { readJournal } from './journal-home.ts'
import { Engine } from './level.ts'
import { load } from './load.ts'
import { writeMarker } from './marker.ts'
import { assertOwnFiles, currentOf } from './tree-files.ts'

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
  const tree = treeOf(directory)
  const former = await openFormer(directory, replace)
  const importing = `${tree}.importing`
  let aside: string | undefined
  try {
    await rm(importing, { recursive: true, force: true })
    await writeTree(importing, store, onProgress)
    // A former ktree knows no other lock than that of the tree, which is kept until it has moved.
    if (former !== undefined) aside = await setAside(tree, 'replaced')
    await putInPlace(importing, tree)
  } catch (error) {
    await rm(importing, { recursive: true, force: true })
    if (aside !== undefined && !isThere(tree)) await rename(aside, tree)
    throw error instanceof PersistenceError
      ? error
      : new PersistenceError(`cannot write ${tree}: ${(error as Error).message}`)
  } finally {
    await former?.engine?.close()
  }
  if (aside === undefined || replace) return { setAside: aside }
  await rm(aside, { recursive: true, force: true })
  return { setAside: undefined }
}

/** Whether a name is taken, be it by a link that leads nowhere. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

/**
 * Reads the tree of a data directory that no server is using. The caller has its lock.
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
  await readTree(directory, treeOf(directory), store, options)
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
  const tree = treeOf(directory)
  await (await openUnused(tree))?.close()
  const before = currentOf(tree)
  const repairing = `${tree}.repairing`
  const repaired = `${tree}.repaired`
  let engine: Engine | undefined
  try {
    await rm(repairing, { recursive: true, force: true })
    await rm(repaired, { recursive: true, force: true })
    assertOwnFiles(tree)
    // The tree itself may be a link to where it lies.
    await cp(await realpath(tree), repairing, { recursive: true })
    await Engine.repair(repairing)
    let exact = true
    const onDamage = (what: string): void => {
      exact = false
      options.onDamage(what)
    }
    const read = { ...options, onDamage }
    if (!(await readTree(directory, repairing, store, read, (error) => error))) exact = false
    await writeTree(repaired, store, options.onProgress, exact)
    await rm(repairing, { recursive: true })
    // A server of a former ktree knows only the lock of the tree, which would not let it be copied.
    if (currentOf(tree) !== before) {
      throw new PersistenceError(`a server has used ${tree} meanwhile; it is as the server left it`)
    }
    engine = await openUnused(tree)
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
    await engine?.close()
  }
}

/**
 * Looks what is in the place of the tree, and opens it if it is one, which locks it against servers.
 *
 * @returns undefined if nothing is there
 * @throws PersistenceError if it must not be replaced
 */
async function openFormer(
  directory: string,
  replace: boolean,
): Promise<{ engine: Engine | undefined } | undefined> {
  const tree = treeOf(directory)
  if (!existsSync(tree)) {
    if (!isThere(tree)) return undefined
    if (replace) return { engine: undefined }
    throw new PersistenceError(`${tree} is a link that leads nowhere; --replace moves it aside`)
  }
  const content = contentOf(tree)
  if (content === 'foreign' && !replace) {
    throw new PersistenceError(`${tree} holds files of somebody else; --replace moves it aside`)
  }
  // Opening would make files of a database among them.
  if (content !== 'tree') return { engine: undefined }
  let engine: Engine
  try {
    engine = await Engine.open(tree, false)
  } catch (error) {
    // A damaged tree may be replaced too, but not a tree in use.
    if (!replace || !(error instanceof DamagedDataError)) throw adviceOn(directory, error)
    return { engine: undefined }
  }
  if (replace || (await isEmpty(engine))) return { engine }
  await engine.close()
  throw new PersistenceError(`${tree} holds a tree already; --replace moves it aside`)
}

/**
 * Opens a tree, which locks it against servers, if damage does not keep anybody from opening it.
 *
 * @throws PersistenceError if a server has locked it
 */
async function openUnused(tree: string): Promise<Engine | undefined> {
  try {
    return await Engine.open(tree, false)
  } catch (error) {
    if (!(error instanceof DamagedDataError)) throw error
    return undefined
  }
}

/** @returns whether every acknowledged write is in it */
async function readTree(
  directory: string,
  location: string,
  store: Store,
  options: {
    applyRecord: ApplyRecord
    onDamage?: (what: string) => void
    onTorn?: (what: string) => void
    onProgress?: OnProgress | undefined
  },
  explain = (error: unknown): unknown => adviceOn(directory, error),
): Promise<boolean> {
  if (!existsSync(location)) throw new PersistenceError(`${directory} holds no tree`)
  let engine: Engine | undefined
  try {
    engine = await Engine.open(location, false)
    const loaded = await load(engine, { limits: store.history.limits, ...options })
    if (loaded === undefined) throw new PersistenceError(`${directory} holds no tree`)
    store.restore(loaded.state)
    readJournal(location, loaded.journal, options)
    return loaded.exact
  } catch (error) {
    throw explain(error)
  } finally {
    await engine?.close()
  }
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
