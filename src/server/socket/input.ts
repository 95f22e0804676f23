import { Socket } from 'node:net'
import { handleOf, type WithHandle } from './handle.ts'

/** So much is read from a socket at a time, in bytes: what Node.js reads, too. */
const LENGTH = 64 * 1024

/** What every socket is read into; its bytes are some connection's only until the call returns. */
const input = Buffer.allocUnsafeSlow(LENGTH)

/**
 * Has what comes to a socket read into one Buffer that all sockets share. Node.js offers that
 * (`onread`) for a socket that one opens, not for one that a server accepts: for each of those it
 * would allocate 64 KB a read, and give most of it back. So the accepted socket hands over its
 * handle to another one that is made with `onread`. Where a later Node.js has no such handle, the
 * socket goes on as it is.
 *
 * @param accepted from a server with `pauseOnConnect`, so that nothing has been read yet
 * @param onInput called with what has come, and how many bytes of that Buffer it is; its memory is the
 * caller's again when it returns
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
  // To be told of the end, too, it has to flow.
  socket.resume()
  return socket
}
