/** A client whose request a gate can hold back. */
export interface Waiter {
  /**
   * Serves the present request, and those after it, only when the returned function is called.
   *
   * @param onGone called if the client leaves first
   */
  postpone(args: readonly string[], onGone: () => void): () => void
}

/**
 * What the dispatcher asks, between checking a request and calling its command, whether the request
 * runs now. CLIENT PAUSE is one gate; a log that orders writes is another.
 */
export interface Gate {
  /**
   * @param mayWrite whether the request may change the tree or, in Redis's view, a replica
   * @returns true if the gate has postponed the request
   */
  holds(client: Waiter, args: readonly string[], mayWrite: boolean): boolean
}
