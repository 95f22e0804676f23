import { link, open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory } from '../persistence/data-directory.ts'
import { withLock } from '../persistence/directory-lock.ts'
import { assertTree } from '../persistence/interrupted.ts'
import { readDataDirectory } from '../persistence/offline.ts'
import { isThere } from '../persistence/tree-files.ts'
import type { SnapshotCopy } from '../store/snapshot/snapshot-pieces.ts'
import type { Store } from '../store/store.ts'
import { bytesOf } from '../store/value.ts'
import { randomBytes } from '../text/random-bytes.ts'
import { recordApplier } from './apply-record.ts'
import { fileError, TransferError } from './errors.ts'
import { type Output, Progress } from './progress.ts'
import { summarize } from './tree-summary.ts'

const MB = 1024 ** 2
const RANDOM_BYTES = 8
/** The errors of a file system that has no hard links. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

export interface ExportOptions {
  /** The file to write, or `-` for standard output. */
  readonly file: string
  /** The data directory. */
  readonly dir: string
  /** Overwrite the file if it exists. */
  readonly replace: boolean
  readonly stdout: Output & { on?(event: 'error', listener: () => void): unknown }
  readonly stderr: Output
}

/**
 * `ktree export`: writes the tree of a data directory as etcd's JSON document. A file is written
 * whole, or not at all.
 *
 * @param store an empty store; its history limits and clock are used
 * @throws TransferError if the document cannot be written; PersistenceError if the tree cannot be
 *   read
 */
export async function exportTree(store: Store, options: ExportOptions): Promise<void> {
  const { file, dir, replace, stdout, stderr } = options
  const progress = new Progress(stderr, store.clock)
  try {
    const target = file === '-' ? undefined : await checkTarget(file, replace)
    await readTree(dir, store, progress)
    progress.phase('saving')
    const document = store.snapshotCopy()
    if (target === undefined) await writeOut(stdout, pieces(document, progress))
    else await writeAtomically(target, replace, pieces(document, progress))
    progress.line(`exported${target === undefined ? '' : ` to ${file}`}: ${summarize(store)}`)
  } finally {
    progress.clear()
  }
}

async function readTree(dir: string, store: Store, progress: Progress): Promise<void> {
  assertTree(dir)
  await withLock(dir, () =>
    readDataDirectory(dir, store, {
      applyRecord: recordApplier(store),
      onTorn: (what) => progress.line(`warning: ${what}`),
      onProgress: (nodes, total) => progress.update('reading:', nodes, total, 'nodes'),
    }),
  )
}

/** @returns the file that the path leads to, after any symbolic links */
async function checkTarget(path: string, replace: boolean): Promise<string> {
  let target: string
  try {
    target = await realpath(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError('write to', path, error)
    // A link that leads nowhere.
    if (!replace && isThere(path)) throw exists(path)
    return path
  }
  if (!(await stat(target)).isFile()) throw new TransferError(`${path} is no file to write to`)
  if (!replace) throw exists(path)
  return target
}

function exists(path: string): TransferError {
  return new TransferError(`${path} exists; with --replace it is overwritten`)
}

function* pieces(document: SnapshotCopy, progress: Progress): Generator<Buffer> {
  let bytes = 0
  for (const piece of document.pieces()) {
    progress.update('writing:', Math.floor(bytes / MB), 0, 'MB')
    yield bytesOf(piece)
    bytes += piece.length
  }
  yield Buffer.from('\n')
}

async function writeOut(stdout: ExportOptions['stdout'], content: Iterable<Buffer>): Promise<void> {
  // Without a listener the error would be thrown; the callbacks below report it.
  stdout.on?.('error', () => {})
  try {
    for (const piece of content) {
      await new Promise<void>((resolve, reject) => {
        stdout.write(piece, (error) => (error ? reject(error) : resolve()))
      })
    }
  } catch (error) {
    throw fileError('write to', 'standard output', error)
  }
}

async function writeAtomically(
  path: string,
  replace: boolean,
  content: Iterable<Buffer>,
): Promise<void> {
  // Random, because processes in other containers may have the same id.
  const temporary = `${path}.${randomBytes(RANDOM_BYTES).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx')
    try {
      await writeFile(file, content)
      await file.sync()
    } finally {
      await file.close()
    }
    if (replace) await rename(temporary, path)
    else await putWhereNoneIs(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true })
    throw error instanceof TransferError ? error : fileError('write to', path, error)
  }
}

/** Renames a file, unless there is one of the new name by now: `rename` would replace it. */
async function putWhereNoneIs(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path)
    await rm(temporary)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') throw exists(path)
    if (!NO_LINKS.has(code)) throw error
    // An empty file of its own takes the name first.
    const own = await open(path, 'wx').catch((reason: NodeJS.ErrnoException) => {
      throw reason.code === 'EEXIST' ? exists(path) : reason
    })
    await own.close()
    await rename(temporary, path)
  }
}
