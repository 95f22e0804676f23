import { repairDataDirectory } from '../persistence/offline.ts'
import type { Store } from '../store/store.ts'
import { type Output, Progress } from './progress.ts'
import { summarize } from './tree-summary.ts'

/** So many faults are told one by one. */
const SHOWN = 10

export interface RepairOptions {
  /** The data directory. */
  readonly dir: string
  readonly stderr: Output
}

/**
 * `ktree repair`: puts what can be read of a damaged tree in its place, and says what could not.
 *
 * @param store an empty one, with the history's limits and the clock
 * @throws PersistenceError if nothing can be read, or a server uses the directory
 */
export async function repairTree(store: Store, { dir, stderr }: RepairOptions): Promise<void> {
  const progress = new Progress(stderr, store.clock)
  let faults = 0
  try {
    progress.phase(`reading ${dir}`)
    const { setAside } = await repairDataDirectory(dir, store, {
      onDamage: (what) => {
        if (++faults <= SHOWN) progress.line(`damaged: ${what}`)
      },
      onProgress: (nodes, total) => progress.update('repairing:', nodes, total, 'nodes'),
    })
    if (faults > SHOWN) progress.line(`damaged: ${faults - SHOWN} more`)
    if (faults === 0) progress.line('nothing is missing')
    progress.line(`the former tree is now ${setAside}`)
    progress.line(`repaired ${dir}: ${summarize(store)}`)
  } finally {
    progress.clear()
  }
}
