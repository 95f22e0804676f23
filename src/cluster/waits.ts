import { EtcdError } from './etcd/etcd-error.ts'

/** Those that wait for this node to apply something. */
export class Waits {
  readonly #looks = new Set<() => void>()
  #isClosed = false

  /** To be called when something has been applied. */
  wake(): void {
    for (const look of this.#looks) look()
  }

  /** Ends all waits. */
  close(): void {
    this.#isClosed = true
    this.wake()
  }

  /**
   * @param signal gives up waiting
   * @throws EtcdError if it is given up or closed before that
   */
  until(isDone: () => boolean, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const isGivenUp = signal?.aborted === true
        if (!isDone() && !this.#isClosed && !isGivenUp) return
        this.#looks.delete(look)
        signal?.removeEventListener('abort', look)
        if (isDone()) resolve()
        else reject(new EtcdError(isGivenUp ? 'given up' : 'closed', 0, true))
      }
      this.#looks.add(look)
      signal?.addEventListener('abort', look)
      look()
    })
  }
}
