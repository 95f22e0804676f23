import { writeSync, writevSync } from 'node:fs'
import type { Socket } from 'node:net'
import { handleOf, type SocketHandle } from './handle.ts'

/**
 * Direct output: writes to a socket's descriptor.
 *
 * Problem: each `Socket.write` makes several objects, one of them in C++, which the garbage collector
 * has to track. With one request per read that takes a twentieth of the time, and it lengthens the
 * longest waits.
 * Trick: `writeSync` on the descriptor first; `Socket.write` only for the bytes that the system did
 * not take:
 *
 *     idle socket ─▶ writeSync ─▶ the system takes all ────▶ done
 *                                 the system takes a part ─▶ Socket.write for the rest
 *     socket with bytes to send, or closed ────────────────▶ Socket.write for all
 *
 * Price: it depends on the undocumented `_handle`. An error counts as nothing taken, because the
 * socket meets the same error when it writes.
 * Gain: without it a single request takes 20 to 38 % more processor time, one of a pipeline of 16 4 to
 * 22 % more (bench/HISTORY.md).
 * Can be deleted by calling `Socket.write` in `Output.send`.
 */
export class DirectOutput {
  readonly #socket: Socket
  readonly #handle: SocketHandle | null | undefined
  /** The file descriptor; -1 if the system has none. */
  readonly #descriptor: number

  /** @param socket an open socket */
  constructor(socket: Socket) {
    this.#socket = socket
    this.#handle = handleOf(socket)
    this.#descriptor = this.#handle?.fd ?? -1
  }

  /**
   * Writes as many bytes as the system takes without waiting.
   *
   * @param length count of the bytes to write, from the first on
   * @returns count of the bytes written; 0 while the socket has bytes of its own to send first
   */
  write(bytes: Uint8Array, length: number): number {
    if (!this.#isFree) return 0
    try {
      return writeSync(this.#descriptor, bytes, 0, length)
    } catch {
      return 0
    }
  }

  /** Like {@link write}, for all bytes of several pieces in one call. */
  writeAll(pieces: readonly Uint8Array[]): number {
    if (!this.#isFree) return 0
    try {
      return writevSync(this.#descriptor, pieces)
    } catch {
      return 0
    }
  }

  /** Whether the descriptor may be written to now. */
  get #isFree(): boolean {
    const socket = this.#socket
    if (this.#descriptor < 0 || socket.writableLength > 0) return false
    // The descriptor may belong to another file once the socket is closed.
    return handleOf(socket) === this.#handle
  }
}
