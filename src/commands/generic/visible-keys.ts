import type { Client } from '../../request/client.ts'
import type { Transaction } from '../../request/transaction.ts'
import type { DirectoryNode, FileNode } from '../../store/tree/node.ts'
import type { VisiblePaths } from '../../store/tree/visible-paths.ts'
import type { KeyRoom } from './key-room.ts'

/** Paths as they were in one state of the tree. */
interface Found {
  readonly paths: VisiblePaths
  readonly root: DirectoryNode
  readonly index: number
  readonly now: number
}

/** What the last KEYS or SCAN of a transaction has found out: thousands may follow before anything changes. */
const lastFound = new WeakMap<Transaction, Found>()

/** Finds the paths of files for a client that looks through many. */
export function visiblePathsFor({ server, transaction }: Client): VisiblePaths {
  const { store, clock } = server
  const { root, index } = store
  const now = clock.now()
  const last = transaction && lastFound.get(transaction)
  if (last?.root === root && last.index === index && last.now === now) return last.paths
  const paths = store.visiblePaths(now)
  if (transaction !== undefined) lastFound.set(transaction, { paths, root, index, now })
  return paths
}

/** The path of a file, if it is visible. What it takes to find out counts. */
export function pathIn(paths: VisiblePaths, file: FileNode, room: KeyRoom): string | undefined {
  const before = paths.looks
  const path = paths.of(file)
  room.find(paths.looks - before)
  return path
}
