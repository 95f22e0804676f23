import type { Client } from '../../request/client.ts'
import type { Transaction } from '../../request/transaction.ts'
import type { DirectoryNode } from '../../store/tree/node.ts'
import type { VisiblePaths } from '../../store/tree/visible-paths.ts'

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
