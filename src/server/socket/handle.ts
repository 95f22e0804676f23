import type { Socket } from 'node:net'

/** The system's side of a socket, as far as it is used here. Node.js does not document it. */
export interface SocketHandle {
  /** The descriptor; absent, or -1, where there is none, as on Windows. */
  readonly fd?: number
  readonly useUserBuffer?: unknown
}

/** What a Socket has and its types lack. */
export interface WithHandle {
  /** Null when it is closed. */
  _handle: SocketHandle | null | undefined
}

export function handleOf(socket: Socket): SocketHandle | null | undefined {
  return (socket as unknown as WithHandle)._handle
}
