import { open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory } from '../persistence/data-directory.ts'
import { readDataDirectory } from '../persistence/offline.ts'
import type { SnapshotCopy } from '../store/snapshot/snapshot-pieces.ts'
import type { Store } from '../store/store.ts'
import { bytesOf } from '../store/value.ts'
import { recordApplier } from './apply-record.ts'
import { fileError, TransferError } from './errors.ts'
import { type Output, Progress } from './progress.ts'
import { summarize } from './tree-summary.ts'

const MB = 1024 ** 2

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
    await readDataDirectory(dir, store, {
      applyRecord: recordApplier(store),
      onTorn: (what) => progress.line(`warning: ${what}`),
      onProgress: (nodes, total) => progress.update('reading:', nodes, total, 'nodes'),
    })
    progress.phase('saving')
    const document = store.snapshotCopy()
    if (target === undefined) await writeOut(stdout, pieces(document, progress))
    else await writeAtomically(target, pieces(document, progress))
    progress.line(`exported${target === undefined ? '' : ` to ${file}`}: ${summarize(store)}`)
  } finally {
    progress.clear()
  }
}

/** @returns the file that the path leads to, after any symbolic links */
async function checkTarget(path: string, replace: boolean): Promise<string> {
  let target: string
  try {
    target = await realpath(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return path
    throw fileError('write to', path, error)
  }
  if (!(await stat(target)).isFile()) throw new TransferError(`${path} is no file to write to`)
  if (!replace) throw new TransferError(`${path} exists; with --replace it is overwritten`)
  return target
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

async function writeAtomically(path: string, content: Iterable<Buffer>): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    const file = await open(temporary, 'wx')
    try {
      await writeFile(file, content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true })
    throw fileError('write to', path, error)
  }
}
