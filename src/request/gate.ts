import type { RequestArguments } from '../resp/request-arguments.ts'

/** A client whose request a gate can hold back. */
export interface Waiter {
  /** How many replies a gate that puts requests in order still owes the client. */
  owed: number
  /** How many bytes their requests have, since it last owed none. */
  owedBytes: number
  /** Counts the bytes that the client has sent so far. */
  readonly receivedBytes: number
  /** Whether the client has to read its replies before more of its requests are served. */
  readonly unread: { readonly waits: boolean }
  /** Called when it owes none any more. */
  onSettled: (() => void) | undefined
  /**
   * Keeps the present request and the later ones until the returned function is called.
   *
   * @param onGone called if the client leaves first
   * @param onOver called when the present request has been served again, or will not be because the client has left; also before,
   *   if it will be only when the client has read its replies
   */
  postpone(args: RequestArguments, onGone: () => void, onOver?: () => void): () => void
  /** Has `LongWork` serve the present request later, before the client's others. */
  putOff(args: RequestArguments): void
  /**
   * Has a request that a gate has held back replied to, after all replies so far.
   *
   * @param muted whether the reply is left out: CLIENT REPLY
   * @param run writes the reply
   * @returns false if the client has gone, or is going; nothing has been called then
   */
  answer(muted: boolean, run: () => void): boolean
}

/**
 * Decides whether a request runs now. The dispatcher asks it between checking the request and calling
 * its command. CLIENT PAUSE is one gate, a disk that is too slow for writes another, and a log that puts
 * the writes of several nodes in order a third.
 */
export interface Gate {
  /**
   * Postpones the request, or lets it run now.
   *
   * @param mayWrite whether the request may change the tree or, in Redis's view, a replica
   * @returns true if the gate has postponed the request
   */
  holds(client: Waiter, args: RequestArguments, mayWrite: boolean): boolean
}

/** Several gates as one: the first that holds a request back has it. */
export function firstOf(gates: readonly Gate[]): Gate {
  return {
    holds: (client, args, mayWrite) => gates.some((gate) => gate.holds(client, args, mayWrite)),
  }
}
