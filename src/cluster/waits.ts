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

  /** @throws EtcdError if it is closed before that */
  until(isDone: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!isDone() && !this.#isClosed) return
        this.#looks.delete(look)
        if (isDone()) resolve()
        else reject(new EtcdError('closed', 0, true))
      }
      this.#looks.add(look)
      look()
    })
  }
}
