import { writeSync } from 'node:fs'
import type { Socket } from 'node:net'
import { handleOf, type SocketHandle } from './handle.ts'

/**
 * Writes to a socket what the system takes at once. `Socket.write` makes several objects a call, one
 * of them in C++, which the collector has to look after: at one request a read that is a twentieth
 * of all the time, and it lengthens the longest waits.
 *
 * What the system does not take is the socket's business, and so is every error: it meets the same one.
 */
export class DirectOutput {
  readonly #socket: Socket
  readonly #handle: SocketHandle | null | undefined
  /** -1 where there is none. */
  readonly #descriptor: number

  /** @param socket open by now */
  constructor(socket: Socket) {
    this.#socket = socket
    this.#handle = handleOf(socket)
    this.#descriptor = this.#handle?.fd ?? -1
  }

  /**
   * @param bytes of which those at the beginning are to be written
   * @param length how many
   * @returns how many have been written; 0 too if the socket has something to write itself, which
   * comes first
   */
  write(bytes: Uint8Array, length: number): number {
    const socket = this.#socket
    if (this.#descriptor < 0 || socket.writableLength > 0) return 0
    // The descriptor is the socket's only as long as that is open.
    if (handleOf(socket) !== this.#handle) return 0
    try {
      return writeSync(this.#descriptor, bytes, 0, length)
    } catch {
      return 0
    }
  }
}
