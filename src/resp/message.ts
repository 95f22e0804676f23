import type { Pieces } from '../store/pieces.ts'
import { encodeArrayHeader, encodeBulk, encodeHeader, encodePushHeader } from './reply-encoding.ts'

/** The longest piece of a large value that is sent as a message, in bytes. */
const PIECE_BYTES = 256 * 1024

const END_OF_BULK = Buffer.from('\r\n')

/** A message to many clients, encoded once for each version of RESP. */
export class Message {
  readonly #size: number
  readonly #body: string
  #resp2: Buffer | undefined
  #resp3: Buffer | undefined

  /**
   * @param size the number of its elements
   * @param body the encoded elements, as a binary string
   */
  constructor(size: number, body: string) {
    this.#size = size
    this.#body = body
  }

  /** How many bytes it has, without the header. */
  get length(): number {
    return this.#body.length
  }

  /** The bytes of the message, which must not be changed. */
  encoded(protocol: 2 | 3): Buffer {
    if (protocol === 3) {
      this.#resp3 ??= Buffer.from(encodePushHeader(this.#size) + this.#body, 'latin1')
      return this.#resp3
    }
    this.#resp2 ??= Buffer.from(encodeArrayHeader(this.#size) + this.#body, 'latin1')
    return this.#resp2
  }
}

/** A message whose last element is large: it is never in one piece, and mostly not even copied. */
export class LargeMessage {
  readonly #size: number
  readonly #head: string
  readonly #last: Pieces | Buffer

  /**
   * @param size the number of its elements
   * @param head the encoded elements but the last, as a binary string
   * @param last the last element, a bulk string
   */
  constructor(size: number, head: string, last: Pieces | Buffer) {
    this.#size = size
    this.#head = head
    this.#last = last
  }

  /** How many bytes it has at least: known without encoding anything. */
  get leastLength(): number {
    const last = this.#last
    return this.#head.length + ('leastLength' in last ? last.leastLength : last.length)
  }

  /** How many bytes it has, nearly; may have to be counted. */
  get length(): number {
    return this.#head.length + this.#last.length
  }

  /** The bytes before the last element. */
  start(protocol: 2 | 3): Buffer {
    const header = protocol === 3 ? encodePushHeader(this.#size) : encodeArrayHeader(this.#size)
    return Buffer.from(header + this.#head + encodeHeader('$', this.#last.length), 'latin1')
  }

  /** The last element in pieces, made one after the other. They must not be changed. */
  *rest(): Iterable<Buffer> {
    const last = this.#last
    if (Buffer.isBuffer(last)) {
      for (let at = 0; at < last.length; at += PIECE_BYTES) {
        yield last.subarray(at, at + PIECE_BYTES)
      }
    } else {
      yield* last
    }
    yield END_OF_BULK
  }
}

/** A message whose last element is a bulk string of any length. */
export function messageOf(
  size: number,
  head: string,
  last: string | Pieces | Buffer,
): Message | LargeMessage {
  return typeof last === 'string'
    ? new Message(size, head + encodeBulk(last))
    : new LargeMessage(size, head, last)
}
