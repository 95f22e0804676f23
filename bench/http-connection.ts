import type { Socket } from 'node:net'
import { open } from './load-client.ts'

/** A response of etcd. */
export interface Answer {
  readonly status: number
  readonly body: string
}

/** A request of etcd's v2 API. @param form the URL-encoded body of a PUT */
export function httpRequest(method: 'GET' | 'PUT', path: string, form = ''): string {
  const head = `${method} /v2${path} HTTP/1.1\r\nHost: localhost\r\n`
  if (method === 'GET') return `${head}\r\n`
  const type = 'Content-Type: application/x-www-form-urlencoded'
  return `${head}${type}\r\nContent-Length: ${form.length}\r\n\r\n${form}`
}

/** Reads a chunked body (RFC 9112). @returns its end, -1 if it is not complete */
function readChunks(text: string, from: number): { end: number; body: string } {
  let body = ''
  for (let at = from; ; ) {
    const line = text.indexOf('\r\n', at)
    if (line === -1) return { end: -1, body }
    const length = Number.parseInt(text.slice(at, line), 16)
    const next = line + 2 + length + 2
    if (next > text.length) return { end: -1, body }
    if (length === 0) return { end: next, body }
    body += text.slice(line + 2, line + 2 + length)
    at = next
  }
}

interface Waiting {
  readonly sentAt: number
  resolve(answer: Answer): void
  reject(error: Error): void
}

/**
 * A connection that is kept alive. Requests may be pipelined; Go's server reads the next request when
 * it has answered the last one.
 */
export class HttpConnection {
  /** Called with the wait for each response, in milliseconds. */
  onAnswer: (wait: number) => void = () => {}
  readonly #socket: Socket
  readonly #waiting: Waiting[] = []
  #chunks: string[] = []
  #size = 0
  /** Bytes that the first response needs to be complete; 0 if not known. */
  #needed = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('etcd hung up'))
    })
  }

  static async open(port: number): Promise<HttpConnection> {
    return new HttpConnection(await open(port))
  }

  /** Sends requests in one write. @returns the responses */
  ask(requests: readonly string[]): Promise<Answer[]> {
    const sentAt = performance.now()
    const answers = requests.map(
      () =>
        new Promise<Answer>((resolve, reject) => this.#waiting.push({ sentAt, resolve, reject })),
    )
    this.#socket.write(requests.join(''), 'latin1')
    return Promise.all(answers)
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    this.#chunks.push(chunk.toString('latin1'))
    this.#size += chunk.length
    if (this.#size < this.#needed) return
    let text = this.#chunks.join('')
    this.#needed = 0
    for (let end = this.#answer(text); end !== -1; end = this.#answer(text)) text = text.slice(end)
    this.#chunks = [text]
    this.#size = text.length
  }

  /** Takes one response. @returns its length, -1 if it is not complete */
  #answer(text: string): number {
    const head = text.indexOf('\r\n\r\n')
    if (head === -1) return -1
    const length = /\r\nContent-Length: (\d+)/.exec(text.slice(0, head))?.[1]
    let end = head + 4 + Number(length)
    let body: string
    if (length === undefined) {
      const chunks = readChunks(text, head + 4)
      end = chunks.end
      body = chunks.body
    } else {
      this.#needed = end
      if (text.length < end) return -1
      this.#needed = 0
      body = text.slice(head + 4, end)
    }
    if (end === -1) return -1
    const waiting = this.#waiting.shift()
    this.onAnswer(performance.now() - (waiting?.sentAt ?? 0))
    waiting?.resolve({ status: Number(text.slice(9, 12)), body })
    return end
  }
}
