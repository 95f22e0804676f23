import type { Entry } from './prepared-command.ts'

/** About what a queued request, and each of its arguments, takes beside the arguments' bytes. */
const REQUEST_BYTES = 96
const ARGUMENT_BYTES = 32

/** A request that waits for EXEC. */
export interface QueuedRequest {
  readonly entry: Entry
  readonly args: readonly string[]
}

/** What a client has queued since MULTI. */
export class Transaction {
  readonly requests: QueuedRequest[] = []
  /** A request has been refused: EXEC will be, too. */
  failed = false
  /** What the queue takes of memory, about. */
  bytes = 0
  /** Whether one of the requests may change the tree, or take more memory. */
  writes = false
  grows = false

  add(entry: Entry, args: readonly string[]): void {
    this.requests.push({ entry, args })
    if (entry.writes) this.writes = true
    if (entry.grows) this.grows = true
    this.bytes += REQUEST_BYTES
    for (const arg of args) this.bytes += ARGUMENT_BYTES + arg.length
  }
}
