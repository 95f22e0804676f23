/** About what a queued request, and each of its arguments, takes beside the arguments' bytes. */
const REQUEST_BYTES = 96
const ARGUMENT_BYTES = 32

/** The requests that a client has queued since MULTI, as it has sent them. */
export class Transaction {
  readonly requests: (readonly string[])[] = []
  /** A request has been refused: EXEC will be, too. */
  failed = false
  /** About how much memory the queue takes. */
  bytes = 0
  /** Whether one of the requests may change the tree, or take more memory. */
  writes = false
  grows = false

  /** @param command the declaration of the request's command */
  add(args: readonly string[], command: { writes: boolean; grows: boolean }): void {
    this.requests.push(args)
    if (command.writes) this.writes = true
    if (command.grows) this.grows = true
    this.bytes += REQUEST_BYTES
    for (const arg of args) this.bytes += ARGUMENT_BYTES + arg.length
  }
}
