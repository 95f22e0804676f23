import { repairDataDirectory } from '../persistence/offline.ts'
import type { Store } from '../store/store.ts'
import { recordApplier } from './apply-record.ts'
import { type Output, Progress } from './progress.ts'
import { summarize } from './tree-summary.ts'

/** How many faults are reported one by one. */
const MAX_SHOWN_FAULTS = 10

export interface RepairOptions {
  /** The data directory. */
  readonly dir: string
  readonly stderr: Output
}

/**
 * `ktree repair`: replaces a damaged tree by the parts of it that can be read, and reports the
 * rest.
 *
 * @param store an empty store; its history limits and clock are used
 * @throws PersistenceError if nothing can be read, or a server uses the directory
 */
export async function repairTree(store: Store, { dir, stderr }: RepairOptions): Promise<void> {
  const progress = new Progress(stderr, store.clock)
  let faults = 0
  try {
    progress.phase(`reading ${dir}`)
    const { setAside } = await repairDataDirectory(dir, store, {
      applyRecord: recordApplier(store),
      onDamage: (what) => {
        if (++faults <= MAX_SHOWN_FAULTS) progress.line(`damaged: ${what}`)
      },
      onProgress: (nodes, total) => progress.update('repairing:', nodes, total, 'nodes'),
    })
    if (faults > MAX_SHOWN_FAULTS) progress.line(`damaged: ${faults - MAX_SHOWN_FAULTS} more`)
    if (faults === 0) progress.line('nothing is missing')
    progress.line(`the former tree is now ${setAside}`)
    progress.line(`repaired ${dir}: ${summarize(store)}`)
  } finally {
    progress.clear()
  }
}
