import type { Socket } from 'node:net'
import { handleOf } from '../socket/handle.ts'

/** So many handshakes may go on at the same time without a turn of their own. */
const FREE = 2
/** How long the turn of one is, in milliseconds, if there are more. */
const TURN_MS = 1

/**
 * Reads from few of the clients that shake hands at a time.
 *
 * Problem: OpenSSL checks whatever certificates a client sends, which can take 0.2 s, and Node.js processes all
 * sockets that have something to read before anything else: a hundred such clients stop all others for 20 s.
 *
 * Trick: all but {@link FREE} handshakes are not read from, and they take turns of {@link TURN_MS}, so that others
 * are served in between.
 *
 * Price: calls of Node's undocumented handle; a handshake among many takes longer.
 *
 * Can be deleted by letting all handshakes be read from.
 */
export class HandshakeRotation {
  /** Those that are read from, the first first. */
  readonly #reading = new Set<Socket>()
  /** Those that are not, the next first. */
  readonly #stopped = new Set<Socket>()
  #timer: NodeJS.Timeout | undefined

  /** @param socket one whose handshake has just begun, and which is read from */
  add(socket: Socket): void {
    if (this.#reading.size < FREE) {
      this.#reading.add(socket)
      return
    }
    handleOf(socket)?.readStop?.()
    this.#stopped.add(socket)
    this.#timer ??= setInterval(() => this.#rotate(), TURN_MS)
  }

  /** Its handshake is over, or the client gone. Reading is then its own affair. */
  remove(socket: Socket): void {
    if (!this.#stopped.delete(socket) && !this.#reading.delete(socket)) return
    if (this.#stopped.size > 0 && this.#reading.size < FREE) this.#startNext()
    if (this.#stopped.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #rotate(): void {
    for (const socket of this.#reading) {
      // The first has had the longest turn.
      this.#reading.delete(socket)
      handleOf(socket)?.readStop?.()
      this.#stopped.add(socket)
      break
    }
    this.#startNext()
  }

  #startNext(): void {
    for (const socket of this.#stopped) {
      this.#stopped.delete(socket)
      this.#reading.add(socket)
      handleOf(socket)?.readStart?.()
      break
    }
  }
}
