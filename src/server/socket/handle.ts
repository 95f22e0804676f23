import type { Socket } from 'node:net'

/** The parts of Node.js's undocumented socket handle that input.ts and output.ts use. */
export interface SocketHandle {
  /** The file descriptor; absent or -1 on Windows. */
  readonly fd?: number
  readStart?(): number
  readStop?(): number
  /** A function, on a handle that can read into a given buffer. */
  readonly useUserBuffer?: unknown
}

/** The field of `Socket` that its types leave out. */
export interface WithHandle {
  /** Null when the socket is closed. */
  _handle: SocketHandle | null | undefined
}

/**
 * A socket's handle; null when the socket is closed, undefined if it never had one. An encrypted
 * socket has none that may be used: what is written to its descriptor would not be encrypted.
 */
export function handleOf(socket: Socket): SocketHandle | null | undefined {
  if ('encrypted' in socket) return undefined
  return (socket as unknown as WithHandle)._handle
}
