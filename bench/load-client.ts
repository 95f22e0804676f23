import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A request as clients send it. */
export function frame(...args: (string | number)[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${String(arg).length}\r\n${arg}\r\n`).join('')}`
}

/** @returns a connected socket */
export async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  // Who waits for a reply listens to the close that follows.
  socket.on('error', () => {})
  return socket
}

/**
 * Sends requests and waits until so many lines that begin with `mark` have come.
 *
 * @returns how many bytes came
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
      // Never as long as the mark, so that nothing is counted twice.
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
 * Sends requests, and a PING behind them, and waits for the PONG. What comes before it is not
 * read, but for error replies: the cheapest way to know that all is answered.
 *
 * @returns how many bytes came before the PONG
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

/** A client that sends PING after PING and remembers the longest it had to wait. */
export class Pinger {
  /** Milliseconds. */
  longest = 0
  count = 0
  readonly #socket: Socket
  readonly #request: string
  #sentAt = 0
  #stopped = false

  /** @param request what it sends, if not PING; the reply has to fit into one packet */
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
