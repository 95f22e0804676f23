import type { Logger } from 'pino'
import { INDEX_CEILING } from '../store/index-ceiling.ts'
import type { Store } from '../store/store.ts'
import type { Changes } from '../store/tree/changes.ts'

/**
 * Skips the indexes of writes that a power cut may have lost: clients have seen them, and must not
 * take later writes for them.
 */
export function skipLost(store: Store, changes: Changes, gap: number, logger: Logger): void {
  const last = store.index
  // Above the ceiling no write follows, and none was lost.
  if (last >= INDEX_CEILING) return
  // The checkpoint that follows has it, so it need not be an entry.
  changes.covered = true
  store.skipTo(Math.min(last + gap, INDEX_CEILING))
  changes.covered = false
  logger.warn(
    { from: last, index: store.index },
    'the machine has been restarted since the last run, which did not end in order: what came ' +
      `after index ${last}, if anything did, is lost, and the index goes on at ${store.index + 1}`,
  )
}
