import type { Socket } from 'node:net'
import type { Output } from './output.ts'

/** A closing connection may take this long to read its last replies. */
const CLOSING_GRACE_MS = 5000

/** How a connection ends, once it serves no more requests. */
export class Ending {
  readonly #socket: Socket
  readonly #output: Output
  /** On the scale of `Clock.elapsed`. */
  #since = Number.POSITIVE_INFINITY
  #dropped = false
  /** The client sends no more (half-close). */
  halfClosed = false

  constructor(socket: Socket, output: Output) {
    this.#socket = socket
    this.#output = output
  }

  begin(now: number): void {
    this.#since = now
  }

  /** From now on the end does not wait for the client to read or to close, because it may do neither. */
  drop(): void {
    this.#dropped = true
  }

  /** Ends the connection if its replies are sent. What the system has taken is sent, and with TLS the notice of the end. */
  proceed(): void {
    if (!this.#dropped) {
      if (!this.#output.hasUnsentParts) this.#socket.end()
    } else if (this.#output.isDrained) this.#socket.end(() => this.#socket.destroy())
    else this.#socket.destroy()
  }

  /** Called every second. */
  survey(now: number): void {
    if (now - this.#since > CLOSING_GRACE_MS) this.#socket.destroy()
  }
}
