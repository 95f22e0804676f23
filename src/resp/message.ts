import { encodeArrayHeader, encodePushHeader } from './reply-encoding.ts'

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
