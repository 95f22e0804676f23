import type { Socket } from 'node:net'

/** So many handshakes go on at once; OpenSSL keeps some 60 KB for each. */
export const MAX_HANDSHAKES = 500
/** The time that a handshake has while others wait for their turn. */
const CONTESTED_LIMIT_MS = 1000

/**
 * Lets so many handshakes begin that clients who fall silent in the middle cost no more memory than
 * clients who are connected. The others wait, each with its first record. While somebody waits,
 * handshakes that take longer than a second are ended.
 */
export class HandshakeTurns {
  readonly #begin: (socket: Socket) => void
  readonly #elapsed: () => number
  /** The handshakes that go on, the oldest first, and when they began. */
  readonly #begun = new Map<Socket, number>()
  /** Clients that wait for their turn, the first first. */
  readonly #waiting = new Set<Socket>()

  /**
   * @param begin begins a client's handshake
   * @param elapsed milliseconds on a scale that nobody sets
   */
  constructor(begin: (socket: Socket) => void, elapsed: () => number) {
    this.#begin = begin
    this.#elapsed = elapsed
  }

  /** Begins a client's handshake, now or when it is its turn. */
  ask(socket: Socket): void {
    if (this.#begun.size >= MAX_HANDSHAKES) this.#waiting.add(socket)
    else this.#start(socket)
  }

  /** Notes that a handshake is over, or its client gone. Does nothing if that is known. */
  end(socket: Socket): void {
    this.#waiting.delete(socket)
    if (!this.#begun.delete(socket)) return
    for (const next of this.#waiting) {
      if (this.#begun.size >= MAX_HANDSHAKES) return
      this.#waiting.delete(next)
      this.#start(next)
    }
  }

  /** The handshakes that must end, because others wait for their turn. */
  overdue(): Socket[] {
    const end = this.#elapsed() - CONTESTED_LIMIT_MS
    const sockets: Socket[] = []
    for (const [socket, since] of this.#begun) {
      if (since > end || sockets.length >= this.#waiting.size) break
      sockets.push(socket)
    }
    return sockets
  }

  #start(socket: Socket): void {
    this.#begun.set(socket, this.#elapsed())
    this.#begin(socket)
  }
}
