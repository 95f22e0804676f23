import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A request as clients send it. */
export function frame(...args: (string | number)[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${String(arg).length}\r\n${arg}\r\n`).join('')}`
}

/** Connects to a port of the loopback interface. */
export async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  // The event `close`, which follows an error, ends the wait for a reply.
  socket.on('error', () => {})
  return socket
}

/**
 * Sends requests and waits until the replies contain `mark` a number of times.
 *
 * @returns the number of bytes received
 */
export function exchange(
  socket: Socket,
  requests: string,
  mark: string,
  count: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let left = count
    let bytes = 0
    let tail = ''
    const done = (): void => {
      socket.off('data', onData)
      socket.off('close', onClose)
    }
    const onClose = (): void => reject(new Error('the server closed the connection'))
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      const text = tail + chunk.toString('latin1')
      left -= text.split(mark).length - 1
      // The tail is shorter than the mark, so that no mark is counted twice.
      tail = text.slice(Math.max(0, text.length - mark.length + 1))
      if (left > 0) return
      done()
      resolve(bytes)
    }
    socket.on('data', onData)
    socket.on('close', onClose)
    socket.write(requests, 'latin1')
  })
}

const PONG = '+PONG\r\n'

/**
 * Sends requests and a PING, and waits for the PONG. The replies before it are only searched for
 * errors, because that is the cheapest way to wait for all of them.
 *
 * @returns the number of bytes received before the PONG
 * @throws Error for an error reply
 */
export function exchangeAll(socket: Socket, requests: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let bytes = 0
    let tail = Buffer.from('\r\n')
    const done = (): void => {
      socket.off('data', onData)
      socket.off('close', onClose)
    }
    const onClose = (): void => reject(new Error('the server closed the connection'))
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      const seen = Buffer.concat([tail, chunk])
      const error = seen.indexOf('\r\n-')
      if (error !== -1) {
        done()
        reject(new Error(seen.toString('latin1', error + 3, error + 200).split('\r\n', 1)[0]))
      }
      tail = seen.subarray(-PONG.length)
      if (tail.toString('latin1') !== PONG) return
      done()
      resolve(bytes - PONG.length)
    }
    socket.on('data', onData)
    socket.on('close', onClose)
    socket.write(`${requests}PING\r\n`, 'latin1')
  })
}

/** A client that sends PINGs one after another, and keeps the longest wait. */
export class Pinger {
  /** Milliseconds. */
  longest = 0
  count = 0
  readonly #socket: Socket
  readonly #request: string
  #sentAt = 0
  #stopped = false

  /** @param request the request to send instead of PING; its reply has to fit into one packet */
  constructor(socket: Socket, request = 'PING\r\n') {
    this.#socket = socket
    this.#request = request
    socket.on('data', () => {
      this.longest = Math.max(this.longest, performance.now() - this.#sentAt)
      this.count++
      if (!this.#stopped) this.#ping()
    })
    this.#ping()
  }

  stop(): void {
    this.#stopped = true
    this.#socket.destroy()
  }

  #ping(): void {
    this.#sentAt = performance.now()
    this.#socket.write(this.#request)
  }
}
