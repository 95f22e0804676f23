/** The most time that one turn of the event loop spends on replies that go out in pieces. */
const MAX_PUMP_MS = 2

/** An output that sends its parts in pieces. */
export interface Pumped {
  /** Sends a piece; calls {@link Pump.add} if there is more to send now. */
  pump(): void
  /** Called when {@link Pumped.pump} has thrown an error. */
  fail(error: unknown): void
}

/** Sends what goes out in pieces: a piece for each client in turn, and between them other requests. */
export class Pump {
  #waiting: Pumped[] = []
  #scheduled = false

  /** Has the next piece sent in one of the next turns. */
  add(output: Pumped): void {
    this.#waiting.push(output)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(this.#run)
  }

  readonly #run = (): void => {
    const end = performance.now() + MAX_PUMP_MS
    let served = 0
    // Outputs that have more to send come to the end of the list.
    while (served < this.#waiting.length && performance.now() < end) {
      const output = this.#waiting[served++]
      try {
        output.pump()
      } catch (error) {
        output.fail(error)
      }
    }
    this.#waiting.splice(0, served)
    this.#scheduled = this.#waiting.length > 0
    if (this.#scheduled) setImmediate(this.#run)
  }
}
