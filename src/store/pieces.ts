/** Bytes that are made piece by piece, as often as they are asked for. */
export interface Pieces extends Iterable<Buffer> {
  /** How many bytes there are at least: known without looking at them. */
  readonly leastLength: number
  /** How many bytes there are; may have to be counted. */
  readonly length: number
  /** All in one binary string. @throws RangeError if it is longer than a string can be */
  toText(): string
}

/** A part of a {@link PieceList} that makes its own pieces. */
export interface PiecePart extends Iterable<Buffer> {
  readonly leastLength: number
  readonly length: number
  /** Has the pieces kept, if they are not too long, until {@link forget}: several readers are to come. */
  share?(): void
  forget?(): void
}

/** Strings up to this length together become one piece. */
const MAX_TEXT_BYTES = 128 * 1024

/** Binary strings, and what makes its own pieces, one after the other. */
export class PieceList implements Pieces {
  readonly #parts: PiecePart[] = []
  /** The strings since the last part. */
  #text = ''
  #leastLength = 0

  /** @param part a binary string, or bytes that are made later */
  add(part: string | PiecePart): void {
    if (typeof part === 'string') {
      this.#text += part
      this.#leastLength += part.length
      if (this.#text.length >= MAX_TEXT_BYTES) this.#endText()
      return
    }
    this.#endText()
    this.#parts.push(part)
    this.#leastLength += part.leastLength
  }

  get leastLength(): number {
    return this.#leastLength
  }

  get length(): number {
    return this.#parts.reduce((sum, part) => sum + part.length, this.#text.length)
  }

  *[Symbol.iterator](): Iterator<Buffer> {
    this.#endText()
    for (const part of this.#parts) yield* part
  }

  /** Has the pieces that are made kept, until {@link forget}: several readers are to come. */
  share(): void {
    for (const part of this.#parts) part.share?.()
  }

  forget(): void {
    for (const part of this.#parts) part.forget?.()
  }

  toText(): string {
    return Buffer.concat([...this]).toString('latin1')
  }

  #endText(): void {
    if (this.#text === '') return
    this.#parts.push(new Bytes(Buffer.from(this.#text, 'latin1')))
    this.#text = ''
  }
}

/** Bytes that there are already, in one piece. */
class Bytes implements PiecePart {
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get leastLength(): number {
    return this.#bytes.length
  }

  get length(): number {
    return this.#bytes.length
  }

  *[Symbol.iterator](): Iterator<Buffer> {
    yield this.#bytes
  }
}
