import { PIECE_BYTES } from '../resp/reply-parts.ts'
import type { ReplySource, ReplyWriter } from '../resp/reply-writer.ts'
import { bytesOf, sliceValue, textOfValue, type Value } from '../store/value.ts'
import { MAX_QUOTED_BYTES, putQuoted, quoteWord } from '../text/quoting.ts'

/** A longer request is shown by a line that is made as it is sent. */
const MAX_WHOLE_BYTES = 16 * 1024
/** How many bytes are quoted at a time. */
const QUOTED_AT_ONCE = 8 * 1024

/**
 * A line of MONITOR, for one monitor or for several.
 *
 * @param head what stands before the request
 * @param shown the arguments of the request, undefined for a secret one
 * @returns the line or, of a long request, a function that makes a source for each monitor
 */
export function monitorLine(
  head: string,
  shown: readonly (Value | undefined)[],
): Buffer | (() => ReplySource) {
  let length = 0
  for (const word of shown) length += word?.length ?? 0
  if (length > MAX_WHOLE_BYTES) return () => new LongLine(head, shown, length)
  const words = shown.map((word) => (word === undefined ? SECRET : quoteWord(textOfValue(word))))
  return Buffer.from(`+${head} ${words.join(' ')}\r\n`, 'latin1')
}

const SECRET = '"(redacted)"'

/** Quotes the arguments piece by piece: quoted, they may be four times as long. */
class LongLine implements ReplySource {
  /** The arguments stay in memory until they have been quoted. */
  readonly weight: number
  readonly #head: string
  readonly #shown: readonly (Value | undefined)[]
  /** The argument that comes next, and how many of its bytes have been quoted. */
  #word = 0
  #offset = 0

  constructor(head: string, shown: readonly (Value | undefined)[], weight: number) {
    this.#head = head
    this.#shown = shown
    this.weight = weight
  }

  next(reply: ReplyWriter): boolean {
    const end = reply.length + PIECE_BYTES
    if (this.#word === 0 && this.#offset === 0) reply.raw(`+${this.#head}`)
    while (this.#word < this.#shown.length) {
      if (reply.length >= end) return true
      this.#quoteNext(reply, this.#shown[this.#word])
    }
    reply.raw('\r\n')
    return false
  }

  #quoteNext(reply: ReplyWriter, word: Value | undefined): void {
    if (word === undefined) {
      reply.raw(` ${SECRET}`)
      this.#word++
      return
    }
    if (this.#offset === 0) reply.raw(' "')
    const to = Math.min(word.length, this.#offset + QUOTED_AT_ONCE)
    const bytes = bytesOf(sliceValue(word, this.#offset, to))
    const buffer = reply.room(bytes.length * MAX_QUOTED_BYTES)
    reply.wrote(putQuoted(buffer, reply.position, bytes))
    this.#offset = to
    if (to < word.length) return
    reply.raw('"')
    this.#word++
    this.#offset = 0
  }
}
