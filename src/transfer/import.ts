import type { Readable } from 'node:stream'
import { oldSpaceLimit } from '../metrics/heap-limit.ts'
import { writeDataDirectory } from '../persistence/offline.ts'
import type { Store } from '../store/store.ts'
import { errorIn } from './errors.ts'
import { findWal } from './etcd-directory.ts'
import { countLaterWrites } from './etcd-wal.ts'
import { type Input, readInput } from './input.ts'
import { type Output, Progress } from './progress.ts'
import { summarize } from './tree-summary.ts'

/** Checking needs up to this many bytes of memory for each byte of the input. */
const MEMORY_FACTOR = 6

export interface ImportOptions {
  /** What to read: a file, one of etcd's directories, or `-` for standard input. */
  readonly file: string
  /** The data directory. */
  readonly dir: string
  /** Move an existing tree in the data directory aside. */
  readonly replace: boolean
  readonly stdin: Readable
  readonly stderr: Output
}

/**
 * `ktree import`: writes a saved state into a data directory. The whole state is checked before
 * anything is written.
 *
 * @param store an empty store; its history limits and clock are used
 * @throws TransferError if the state is not valid; PersistenceError if it cannot be written
 */
export async function importTree(store: Store, options: ImportOptions): Promise<void> {
  const { file, dir, replace, stdin, stderr } = options
  const progress = new Progress(stderr, store.clock)
  try {
    const input = await readInput(file, stdin, progress)
    check(store, input, progress)
    await warnOfLaterWrites(input, progress)
    const { setAside } = await writeDataDirectory(dir, store, {
      replace,
      onProgress: (nodes, total) => progress.update('writing:', nodes, total, 'nodes'),
    })
    if (setAside !== undefined) progress.line(`the former tree is now ${setAside}`)
    progress.line(`imported into ${dir}: ${summarize(store)}`)
  } finally {
    progress.clear()
  }
}

function check(store: Store, { name, document, raftIndex }: Input, progress: Progress): void {
  const needed = document.length * MEMORY_FACTOR
  if (needed > oldSpaceLimit()) {
    const megabytes = Math.ceil(needed / 1024 ** 2)
    progress.line(
      `warning: this may take ${megabytes} MB of memory, more than node allows; if it fails, set NODE_OPTIONS=--max-old-space-size=${megabytes}`,
    )
  }
  progress.phase(`checking ${name}`)
  try {
    store.recovery(document)
  } catch (error) {
    throw errorIn(name, error)
  }
  if (store.root.children.size === 0) {
    const reason = raftIndex === undefined ? '' : ': etcd has no v2 data in it'
    progress.line(`warning: ${name} holds no keys${reason}; the tree will be empty`)
  }
}

/** Warns of writes that are in etcd's log but not in the .snap file, because they came later. */
async function warnOfLaterWrites({ name, raftIndex }: Input, progress: Progress): Promise<void> {
  if (raftIndex === undefined) return
  const wal = await findWal(name)
  const writes = wal === undefined ? undefined : await countLaterWrites(wal, raftIndex)
  const state = `the snapshot is the state at raft index ${raftIndex}`
  if (writes === undefined) {
    progress.line(`note: ${state}; later writes, if there are any, are not in it`)
  } else if (writes > 0) {
    progress.line(
      `warning: ${state}, and ${writes === 1 ? '1 later write is' : `${writes} later writes are`} not in it: see "Everything into the snapshot" in docs/import.md`,
    )
  }
}
