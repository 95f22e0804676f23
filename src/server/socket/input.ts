import { Socket } from 'node:net'
import { handleOf, type WithHandle } from './handle.ts'

/** The most that one read takes from a socket: a value of 100 KB comes in one. */
const READ_BYTES = 256 * 1024

/** The buffer that all sockets are read into; the next read of any socket overwrites it. */
const input = Buffer.allocUnsafeSlow(READ_BYTES)

/**
 * Shared input: all sockets are read into one buffer.
 *
 * Problem: for a socket that a server accepts, Node.js allocates 64 KB for each read, and gives back
 * the unused part. It offers a buffer of the caller's (`onread`) only for a socket that connects.
 * Trick: the accepted socket hands its handle over to a new socket that is made with `onread`:
 *
 *     accepted ─ handle ─▶ new Socket({ handle, onread: { buffer: input } })
 *
 * Price: it depends on the undocumented `_handle`; input must be used or copied before the call
 * returns. Where Node.js has no such handle, the accepted socket is read in the ordinary way.
 * Gain: without it most requests take 7 to 15 % more processor time (bench/HISTORY.md).
 * Can be deleted by listening to `data` on the accepted socket, as the first branch does.
 *
 * @param accepted a socket that has not been read yet, from a server with `pauseOnConnect`
 * @param onInput called with the buffer and the count of bytes read; the memory is overwritten after
 * the call
 * @returns the socket to use from now on
 */
export function shareInput(
  accepted: Socket,
  onInput: (bytes: Buffer, length: number) => void,
): Socket {
  const handle = handleOf(accepted)
  if (typeof handle?.useUserBuffer !== 'function') {
    accepted.on('data', (chunk: Buffer) => onInput(chunk, chunk.length))
    accepted.resume()
    return accepted
  }
  const options = {
    handle,
    allowHalfOpen: accepted.allowHalfOpen,
    onread: {
      buffer: input,
      callback(length: number): boolean {
        onInput(input, length)
        return true
      },
    },
  }
  ;(accepted as unknown as WithHandle)._handle = null
  accepted.destroy()
  const socket = new Socket(options)
  // The socket reports its end only while it flows.
  socket.resume()
  return socket
}
