import { defaultRequestLimits, type RequestLimits } from '../../src/resp/request-limits.ts'
import { RequestReader } from '../../src/resp/request-reader.ts'

/** What a reader told: a request's arguments, a protocol error's text, or the word `overflow`. */
export type Told = string[] | string

/** A reader that writes down what it tells. Tests may hang `onRequest` in between. */
export class RequestRecorder {
  readonly told: Told[] = []
  readonly limits: RequestLimits
  readonly reader: RequestReader
  onRequest: (args: string[]) => void = () => {}

  constructor(limits: Partial<RequestLimits> = {}) {
    this.limits = { ...defaultRequestLimits, ...limits }
    this.reader = new RequestReader(
      {
        onRequest: (args) => {
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

  /** Pushes a binary string in chunks of so many bytes, by default in one, all in the same memory. */
  push(input: string, chunkLength = input.length): this {
    for (let at = 0; at < input.length; at += chunkLength) {
      const chunk = Buffer.from(input.slice(at, at + chunkLength), 'latin1')
      this.reader.push(chunk)
      // Whatever the reader kept of it would now be wrong.
      chunk.fill('!')
    }
    return this
  }
}

/** What a fresh reader tells of this input. */
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
