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

/** A client that sends PING after PING and remembers the longest it had to wait. */
export class Pinger {
  /** Milliseconds. */
  longest = 0
  count = 0
  readonly #socket: Socket
  #sentAt = 0
  #stopped = false

  constructor(socket: Socket) {
    this.#socket = socket
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
    this.#socket.write('PING\r\n')
  }
}
