import type { Client } from './client.ts'
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

/** Ends a transaction, whether it has run or not, and all of its watches (Redis). */
export function endTransaction(client: Client): void {
  client.transaction = undefined
  client.watched?.clear()
  client.watched = undefined
}

/**
 * Disconnects a client whose queue, with the keys that it watches and what it has sent and is not
 * yet served, is larger than `client-query-buffer-limit`: to Redis, too, it is all one buffer.
 */
export function limitQueue(client: Client): void {
  const queue = client.transaction?.bytes ?? 0
  const watched = client.watched?.bytes ?? 0
  const limit = client.server.config.get('client-query-buffer-limit')
  if (queue + watched + client.bufferedInput <= limit) return
  client.disconnect('what it has queued or watches is larger than client-query-buffer-limit')
}
