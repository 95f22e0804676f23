import { Applier } from '../log/apply.ts'
import type { ApplyRecord } from '../persistence/offline.ts'
import type { Store } from '../store/store.ts'

/** Applies records of a journal to a store. Most directories have none, so what it takes is made late. */
export function recordApplier(store: Store): ApplyRecord {
  let applier: Applier | undefined
  return (record) => {
    applier = applier ?? new Applier(store)
    applier.applyRecord(record)
  }
}
