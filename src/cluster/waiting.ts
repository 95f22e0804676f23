import type { Client } from '../request/client.ts'
import type { Conditions } from '../request/ordered-rights.ts'
import type { Transaction } from '../request/transaction.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Value } from '../store/value.ts'

interface Timed {
  /** When it was taken, in Unix milliseconds. */
  readonly time: number
  /** When its client stops waiting, on the scale of `performance.now`. */
  readonly deadline: number
}

/** A client that is owed a reply. */
export interface WaitingClient extends Timed {
  readonly client: Client
  readonly muted: boolean
  /** What it has sent, and what that may add to the tree, take so much memory, about. */
  readonly bytes: number
}

/** A request that waits for its place in the log. */
export interface WaitingRequest extends WaitingClient, Conditions {
  readonly kind: 'request'
  readonly args: RequestArguments
}

/** An EXEC that waits for its place in the log; its client is blocked. */
export interface WaitingExec extends WaitingClient {
  readonly kind: 'exec'
  readonly transaction: Transaction
  /** Those that a log has to put in order. */
  readonly requests: readonly RequestArguments[]
  /** Lets the client go on. */
  readonly resume: () => void
}

/** What the node itself has to say: that nodes expire. */
export interface WaitingExpiry extends Timed {
  readonly kind: 'expire'
  readonly count: number
  /** Called when it has been applied, or when that has become doubtful. */
  readonly done: (isApplied: boolean) => void
}

export type Waiting = WaitingRequest | WaitingExec | WaitingExpiry

/** How many bytes the arguments of a request, or the pieces of a record, have. */
export function lengthOf(values: readonly (Value | Uint8Array)[]): number {
  let bytes = 0
  for (const { length } of values) bytes += length
  return bytes
}
