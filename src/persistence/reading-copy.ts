import { constants } from 'node:fs'
import { copyFile, link, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PersistenceError } from './errors.ts'
import { Engine } from './level.ts'
import { tablesIn } from './manifest.ts'
import { assertCurrent, assertOwnFiles, currentOf, NOT_WRITABLE } from './tree-files.ts'

const TABLE = /^(\d+)\.(ldb|sst)$/
/** What LevelDB makes anew. The lock must not be touched, because closing it would release it. */
const NOT_COPIED = /^(LOCK|LOG|LOG\.old)$/
/** A longer MANIFEST is not read. It has some 100 bytes for each table. */
const MAX_MANIFEST_BYTES = 64 * 1024 * 1024

/**
 * Opens a copy of a tree to read it, does something, and removes the copy: LevelDB changes what it opens, and of a damaged tree
 * it removes what it no longer knows. The tree stays as it is, byte for byte.
 *
 * Tables are hard links if the MANIFEST names them, because LevelDB never changes those. What it does not name LevelDB would
 * remove, or write over. The journal is not in the copy, because reading it changes nothing.
 *
 * @throws PersistenceError if it cannot be opened
 */
export async function withReadingCopy<T>(
  tree: string,
  work: (engine: Engine) => Promise<T>,
): Promise<T> {
  assertOwnFiles(tree)
  assertCurrent(tree)
  const copy = await makeDirectoryFor(tree)
  let engine: Engine | undefined
  try {
    await fill(tree, copy)
    engine = await Engine.open(copy, false)
    return await work(engine)
  } catch (error) {
    throw inTermsOf(tree, copy, error)
  } finally {
    await engine?.close()
    await rm(copy, { recursive: true, force: true })
  }
}

/** Beside the tree, if that can be written. The caller has the lock beside the tree. */
async function makeDirectoryFor(tree: string): Promise<string> {
  const copy = `${tree}.reading`
  try {
    await rm(copy, { recursive: true, force: true })
    await mkdir(copy, { mode: 0o700 })
    return copy
  } catch (error) {
    if (!NOT_WRITABLE.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    return await mkdtemp(join(tmpdir(), 'ktree-reading-'))
  }
}

async function fill(tree: string, copy: string): Promise<void> {
  const named = await namedTables(tree)
  for (const entry of await readdir(tree, { withFileTypes: true })) {
    const { name } = entry
    if (!entry.isFile() || NOT_COPIED.test(name)) continue
    const [from, to] = [join(tree, name), join(copy, name)]
    const table = TABLE.exec(name)
    if (table === null || named === undefined) await copyWhole(from, to)
    else if (named.has(Number(table[1]))) await link(from, to).catch(() => copyWhole(from, to))
  }
}

function copyWhole(from: string, to: string): Promise<void> {
  return copyFile(from, to, constants.COPYFILE_FICLONE)
}

/** The numbers of the tables that LevelDB knows; undefined if that is uncertain. */
async function namedTables(tree: string): Promise<Set<number> | undefined> {
  const manifest = join(tree, currentOf(tree)?.trimEnd() ?? '')
  try {
    const { size } = await stat(manifest)
    return size > MAX_MANIFEST_BYTES ? undefined : tablesIn(await readFile(manifest))
  } catch {
    return undefined
  }
}

/** The error with the name of the tree, because the copy is gone when it is read. */
function inTermsOf(tree: string, copy: string, error: unknown): unknown {
  if (!(error instanceof PersistenceError)) return error
  error.message = error.message.replaceAll(copy, tree)
  return error
}
