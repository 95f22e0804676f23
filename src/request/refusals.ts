import { IndexError, PathError, SnapshotError, StoreError } from '../store/errors.ts'
import { shortened } from '../text/shortened.ts'
import { trimEnd } from '../text/trim.ts'
import { CommandError } from './arguments/errors.ts'

/** An error that quotes what a client has sent is cut here: a name of any lawful length stands in it. */
const MAX_ERROR_BYTES = 128 * 1024
/** The store's errors, besides StoreError, that are no bugs. */
const REFUSALS = [PathError, SnapshotError, IndexError]

/** Whether an error says why a request was refused. All others are bugs, or limits of V8. */
export function isExpected(error: unknown): boolean {
  return (
    error instanceof CommandError ||
    error instanceof StoreError ||
    REFUSALS.some((refusal) => error instanceof refusal)
  )
}

/** The error reply that says why a request was refused; undefined for a bug, or a limit of V8. */
export function refusalText(error: unknown): string | undefined {
  // The message may end in line breaks that the client sent, and an error reply must not (Redis).
  if (error instanceof CommandError) {
    return trimEnd(shortened(error.message, MAX_ERROR_BYTES), '\r\n')
  }
  if (error instanceof StoreError) return error.toReply()
  if (REFUSALS.some((refusal) => error instanceof refusal)) {
    return `ERR ${(error as Error).message}`
  }
  return undefined
}
