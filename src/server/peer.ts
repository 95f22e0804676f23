import type { Socket } from 'node:net'
import { isLoopback } from '../access/loopback.ts'
import { hostPort } from './host-port.ts'

/** The other end of a connection, as the system names it when the connection is accepted. */
export interface Peer {
  /** `host:port`, or `path:0` of a Unix socket. */
  readonly address: string
  readonly localAddress: string
  /** Whether the listener that accepted the connection is a Unix socket. */
  readonly isUnixSocket: boolean
  /** Whether the client is on the same machine. */
  readonly isLocal: boolean
}

/**
 * The peer of a socket that was just accepted. No text of an address is read for it, because a TCP connection
 * without an address must never pass for a Unix socket.
 *
 * @param unixPath path of the Unix socket that the client connected to; undefined for TCP
 * @returns undefined if the connection is dead: the client has reset it, so the system knows no address
 */
export function peerOf(socket: Socket, unixPath: string | undefined): Peer | undefined {
  if (unixPath !== undefined) {
    const address = `${unixPath}:0`
    return { address, localAddress: address, isUnixSocket: true, isLocal: true }
  }
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remoteAddress === undefined) return undefined
  return {
    address: hostPort(remoteAddress, remotePort),
    localAddress: hostPort(localAddress, localPort),
    isUnixSocket: false,
    isLocal: isLoopback(remoteAddress),
  }
}
