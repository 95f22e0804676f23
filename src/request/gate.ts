import type { RequestArguments } from '../resp/request-arguments.ts'

/** A client whose request a gate can hold back. */
export interface Waiter {
  /**
   * Keeps the present request and the later ones until the returned function is called.
   *
   * @param onGone called if the client leaves first
   */
  postpone(args: RequestArguments, onGone: () => void): () => void
}

/**
 * Decides whether a request runs now. The dispatcher asks it between checking the request and calling
 * its command. CLIENT PAUSE is one gate, a disk that is too slow for writes another.
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
