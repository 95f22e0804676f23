import type { Socket } from 'node:net'
import RedisParser from 'redis-parser'
import { frame, open } from './load-client.ts'

/** A request; the command's name comes first. */
export type Request = readonly (string | number)[]

interface Waiting {
  resolve(reply: unknown): void
  reject(error: Error): void
}

/** A client of Redis or ktree. */
export class RespConnection {
  readonly socket: Socket
  readonly #waiting: Waiting[] = []

  private constructor(socket: Socket) {
    this.socket = socket
    const take = (reply: unknown): void => this.#waiting.shift()?.resolve(reply)
    const parser = new RedisParser({ returnReply: take, returnError: take })
    socket.on('data', (chunk: Buffer) => parser.execute(chunk))
    socket.on('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('the server hung up'))
    })
  }

  static async open(port: number): Promise<RespConnection> {
    return new RespConnection(await open(port))
  }

  /** Sends requests in one write. @returns the replies; an error reply is an Error */
  askAll(requests: readonly Request[]): Promise<unknown[]> {
    const replies = requests.map(
      () => new Promise((resolve, reject) => this.#waiting.push({ resolve, reject })),
    )
    this.socket.write(requests.map((request) => frame(...request)).join(''), 'latin1')
    return Promise.all(replies)
  }

  /** Sends one request. @throws Error for an error reply */
  async ask(...request: Request): Promise<unknown> {
    const [reply] = await this.askAll([request])
    if (reply instanceof Error) throw reply
    return reply
  }

  close(): void {
    this.socket.destroy()
  }
}
