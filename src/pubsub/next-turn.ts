/** Runs something in a later turn of the event loop, once, however often it is asked to. */
export class NextTurn {
  readonly #run: () => void
  #isScheduled = false

  /** @param run must not throw; may schedule itself again */
  constructor(run: () => void) {
    this.#run = run
  }

  schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#begin)
  }

  readonly #begin = (): void => {
    this.#isScheduled = false
    this.#run()
  }
}
