import { IndexError, PathError, SnapshotError, StoreError } from '../store/errors.ts'
import { CommandError } from './arguments/errors.ts'

/** The store's errors, besides StoreError, that are no bugs. */
export const REFUSALS = [PathError, SnapshotError, IndexError]

/** Whether an error says why a request was refused. All others are bugs, or limits of V8. */
export function isExpected(error: unknown): boolean {
  return (
    error instanceof CommandError ||
    error instanceof StoreError ||
    REFUSALS.some((refusal) => error instanceof refusal)
  )
}
