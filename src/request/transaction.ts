import type { RequestArguments } from '../resp/request-arguments.ts'
import { ownCopy } from '../store/path.ts'
import type { Value } from '../store/value.ts'
import type { Denial } from './denial.ts'

/** A queued request takes about this much memory besides its arguments. */
const REQUEST_OVERHEAD_BYTES = 96
/** An argument takes about this much memory besides its bytes. */
const ARGUMENT_OVERHEAD_BYTES = 32

/** The requests that a client has sent since MULTI, as they were sent. */
export class Transaction {
  readonly requests: RequestArguments[] = []
  /** Whether a request has been refused, because EXEC is then refused, too. */
  failed = false
  /** Memory that the queue takes, about. */
  bytes = 0
  /** How much of that are large values, which lie outside of V8's heap. */
  largeBytes = 0
  /** Whether one of the requests may change the tree. */
  writes = false
  /** Whether one of the requests may write, or tells others: a log has to put it in order. */
  ordered = false
  /** The requests that a log has not put in order, because the client's user may not make them. */
  denied: ReadonlyMap<RequestArguments, Denial> | undefined
  /** The requests that a log has put in order for files only, because the client's user may not do more. */
  deniedBelow: ReadonlyMap<RequestArguments, Denial> | undefined
  /** How long the values may be that its COPYs copy, where a log puts it in order; undefined without such a bound. */
  copyBound: number | undefined
  /** Whether one of the requests may take more memory. */
  grows = false
  /** Whether a write is to a directory, where nodes may have to expire first; undefined while nobody has asked. */
  reachesDirectory: boolean | undefined

  /** Queues a request. @param command the flags of the request's command */
  add(
    args: RequestArguments,
    command: { writes: boolean; ordered: boolean; grows: boolean },
  ): void {
    // The first argument may have been cut from a text of 4 kB, and keep it in memory.
    if (typeof args[1] === 'string') (args as unknown as Value[])[1] = ownCopy(args[1])
    this.requests.push(args)
    if (command.writes) this.writes = true
    if (command.ordered) this.ordered = true
    if (command.grows) this.grows = true
    this.bytes += bytesOfRequest(args)
    this.largeBytes += largeBytes(args)
  }
}

/** How many bytes of a request are large values, which lie outside of V8's heap. */
export function largeBytes(args: RequestArguments): number {
  let bytes = 0
  for (const arg of args as readonly Value[]) if (typeof arg !== 'string') bytes += arg.length
  return bytes
}

/** Memory that a request takes while it is kept, about. */
export function bytesOfRequest(args: RequestArguments): number {
  let bytes = REQUEST_OVERHEAD_BYTES
  for (const arg of args) bytes += ARGUMENT_OVERHEAD_BYTES + arg.length
  return bytes
}
