/** Called when a read may go on, or with the reason why it may not. */
type OnReady = (failure: string | undefined) => void

/**
 * Lets reads wait until this node has applied all that was committed before they came. Reads that come while
 * etcd is being asked share the next question.
 */
export class ReadBarrier {
  readonly #sync: () => Promise<void>
  readonly #timeout: () => number
  #waiting: OnReady[] = []
  #isAsking = false

  /** @param timeout how long a read may wait, in milliseconds */
  constructor(sync: () => Promise<void>, timeout: () => number) {
    this.#sync = sync
    this.#timeout = timeout
  }

  add(onReady: OnReady): void {
    this.#waiting.push(onReady)
    if (this.#isAsking) return
    this.#isAsking = true
    // The other reads of this turn share the question.
    queueMicrotask(() => void this.#ask())
  }

  async #ask(): Promise<void> {
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting
      this.#waiting = []
      const failure = await this.#askOnce()
      for (const onReady of waiting) onReady(failure)
    }
    this.#isAsking = false
  }

  async #askOnce(): Promise<string | undefined> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve('this node is behind the log'), this.#timeout())
    })
    const asked = this.#sync().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    )
    const failure = await Promise.race([asked, late])
    clearTimeout(timer)
    return failure
  }
}
