import { BULK_OVERHEAD, putBulk, putText } from './byte-encoding.ts'
import { encodeBulk } from './reply-encoding.ts'
import type { ReplyWriter } from './reply-writer.ts'

const EMPTY = Buffer.alloc(0)

/** How a message to a channel begins, and one by a pattern, by protocol. */
const STARTS = {
  channel: { 2: '*3\r\n$7\r\nmessage\r\n', 3: '>3\r\n$7\r\nmessage\r\n' },
  pattern: { 2: '*4\r\n$8\r\npmessage\r\n', 3: '>4\r\n$8\r\npmessage\r\n' },
} as const
const MAX_START = STARTS.pattern[3].length

/**
 * A message that is put right into the output of those who get it.
 *
 * The problem: the removal of a directory is told to all channels below it, hundreds of thousands, and the messages
 * differ in the channel's name alone. A string and a Buffer for each take longer than putting its bytes.
 *
 * The trick: one object for all of them. Its last element is the same memory for all messages of an event.
 *
 * The price: it is another message after the call, so who keeps it has to ask for its {@link bytes}.
 *
 * Gain: see bench/HISTORY.md. Can be deleted by sending each client a `Message`.
 */
export class PassingMessage {
  #pattern: string | undefined
  #channel = ''
  #last: Buffer = EMPTY

  /**
   * @param pattern that the channel matches; undefined for who listens to the channel itself
   * @param last the last element, encoded; never changes
   */
  set(pattern: string | undefined, channel: string, last: Buffer): this {
    this.#pattern = pattern
    this.#channel = channel
    this.#last = last
    return this
  }

  /** How many bytes it has, about. */
  get length(): number {
    return MAX_START + (this.#pattern?.length ?? 0) + this.#channel.length + this.#last.length
  }

  /** Keeps nothing of the last message. */
  forget(): void {
    this.#pattern = undefined
    this.#channel = ''
    this.#last = EMPTY
  }

  /** Puts it behind the replies. Nothing mutes it, because it is no reply. */
  writeTo(reply: ReplyWriter): void {
    const pattern = this.#pattern
    const channel = this.#channel
    const names = channel.length + (pattern?.length ?? 0)
    const buffer = reply.room(MAX_START + 2 * BULK_OVERHEAD + names)
    const starts = pattern === undefined ? STARTS.channel : STARTS.pattern
    let at = putText(buffer, reply.position, starts[reply.protocol])
    if (pattern !== undefined) at = putBulk(buffer, at, pattern)
    reply.wrote(putBulk(buffer, at, channel))
    reply.append(this.#last)
  }

  /** A copy that stays as it is. */
  bytes(protocol: 2 | 3): Buffer {
    const head = headOf(this.#pattern, this.#channel)
    const starts = this.#pattern === undefined ? STARTS.channel : STARTS.pattern
    return Buffer.concat([Buffer.from(starts[protocol].slice(0, 4) + head, 'latin1'), this.#last])
  }
}

/** The elements of a message but the last, encoded. @param pattern as in {@link PassingMessage.set} */
export function headOf(pattern: string | undefined, channel: string): string {
  return pattern === undefined
    ? encodeBulk('message') + encodeBulk(channel)
    : encodeBulk('pmessage') + encodeBulk(pattern) + encodeBulk(channel)
}

/** A message in a form that may be kept. @param protocol of its reader */
export function lasting<T>(message: T | PassingMessage, protocol: 2 | 3): T | Buffer {
  return message instanceof PassingMessage ? message.bytes(protocol) : message
}
