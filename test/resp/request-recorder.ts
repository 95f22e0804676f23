import { defaultRequestLimits, type RequestLimits } from '../../src/resp/request-limits.ts'
import { RequestReader } from '../../src/resp/request-reader.ts'
import { textOfValue } from '../../src/store/value.ts'

/** One call of a reader: a request's arguments, a protocol error's text, or the word `overflow`. */
export type Told = string[] | string

/** A reader that records its calls. Tests may set `onRequest`, which runs after each request. */
export class RequestRecorder {
  readonly told: Told[] = []
  readonly limits: RequestLimits
  readonly reader: RequestReader
  onRequest: (args: readonly string[]) => void = () => {}

  constructor(limits: Partial<RequestLimits> = {}) {
    this.limits = { ...defaultRequestLimits, ...limits }
    this.reader = new RequestReader(
      {
        onRequest: (request) => {
          const args = request.map(textOfValue)
          this.told.push(args)
          this.onRequest(args)
        },
        onBatch: () => {},
        onProtocolError: (message) => this.told.push(message),
        onOverflow: () => this.told.push('overflow'),
      },
      this.limits,
    )
  }

  /** Pushes a binary string in chunks of `chunkLength` bytes, by default in one. */
  push(input: string, chunkLength = input.length): this {
    for (let at = 0; at < input.length; at += chunkLength) {
      const chunk = Buffer.from(input.slice(at, at + chunkLength), 'latin1')
      this.reader.push(chunk)
      // Overwritten, because a reader must not keep references to the caller's memory.
      chunk.fill('!')
    }
    return this
  }
}

/** The calls of a new reader for this input. */
export function read(
  input: string,
  limits: Partial<RequestLimits> = {},
  chunkLength?: number,
): Told[] {
  return new RequestRecorder(limits).push(input, chunkLength).told
}

/** A request as clients send it. */
export function frame(...args: string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`
}

/** Each of the 256 bytes once. */
export const allBytes: string = Buffer.from(Array.from({ length: 256 }, (_, n) => n)).toString(
  'latin1',
)
