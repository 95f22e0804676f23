import { lasting, PassingMessage } from '../resp/passing-message.ts'
import { lengthOfSource } from '../resp/reply-parts.ts'
import type { ReplySource, ReplyWriter } from '../resp/reply-writer.ts'

/** A message to a client that can be kept: bytes, or what is made as it is sent. */
type KeptMessage = Uint8Array | ReplySource
/** A message to a client. */
export type MessageBytes = KeptMessage | PassingMessage

/** More messages than this, held back until the client's own EXEC ends, disconnect the client. */
const MAX_DEFERRED_BYTES = 64 * 1024 * 1024
/** The client's limit is checked after so many bytes of them. */
const CHECK_BYTES = 256 * 1024
/** Beyond so many messages short ones are gathered in blocks, because each takes more memory than its bytes. */
const MAX_APART = 64
const MAX_GATHERED_BYTES = 1024
const BLOCK_BYTES = 64 * 1024
const NO_BLOCK = Buffer.alloc(0)

interface Delivered {
  readonly message: KeptMessage
  /** Where it begins and ends in the output. */
  readonly start: number
  readonly end: number
}

/** The client that gets the messages. */
interface Owner {
  /** Whether so many bytes more are within its limits; if not, it is disconnected. */
  mayGet(length: number): boolean
  disconnect(reason: string): void
}

/** The messages that a client's own request brings it. */
export class OwnMessages {
  /** Whether there are any, so that an ordinary request pays for one look only. */
  some = false
  readonly #reply: ReplyWriter
  readonly #owner: Owner
  /** Messages among the output of the present command, with where each begins. */
  #delivered: Delivered[] = []
  /** Messages that an error has discarded, with all that its command had written. */
  #discarded: KeptMessage[] = []
  /** Messages that came during EXEC: kept back because they would split its reply. */
  #deferred: KeptMessage[] = []
  #deferredBytes = 0
  #checkedBytes = 0
  /** Short messages that come after {@link #deferred}, and room for more. */
  #block = NO_BLOCK
  #blockLength = 0

  constructor(reply: ReplyWriter, owner: Owner) {
    this.#reply = reply
    this.#owner = owner
  }

  /**
   * The reply of the present command: what stands in the output between the messages. Events come before
   * the reply, the line of MONITOR behind it.
   *
   * @param start where the output of the command begins
   * @returns start and end offsets, in turn
   */
  replyRanges(start: number): readonly number[] {
    this.#sort()
    const ranges = [start]
    for (const message of this.#delivered) ranges.push(message.start, message.end)
    ranges.push(this.#reply.length)
    return ranges
  }

  /** Writes a message before or behind the reply of the present command. */
  deliver(given: MessageBytes): void {
    const message = lasting(given, this.#reply.protocol)
    this.some = true
    this.#sort()
    const start = this.#reply.length
    writeMessage(this.#reply, message)
    this.#delivered.push({ message, start, end: this.#reply.length })
  }

  /** Keeps a message back until EXEC ends. Disconnects the client if they are too much for it. */
  defer(given: MessageBytes): void {
    const message = lasting(given, this.#reply.protocol)
    this.some = true
    if (message instanceof Uint8Array && message.length <= MAX_GATHERED_BYTES) this.#gather(message)
    else {
      this.#endBlock()
      this.#deferred.push(message)
    }
    this.#deferredBytes += lengthOf(message)
    if (this.#deferredBytes - this.#checkedBytes < CHECK_BYTES) return
    this.#checkedBytes = this.#deferredBytes
    if (!this.#owner.mayGet(this.#deferredBytes) || this.#deferredBytes <= MAX_DEFERRED_BYTES)
      return
    this.#owner.disconnect(
      `its own EXEC has brought it more than ${MAX_DEFERRED_BYTES} bytes of messages`,
    )
  }

  /** Called when a command has run: writes the messages that are not in the output yet, or not any more. */
  afterCommand(): void {
    this.#sort()
    this.#endBlock()
    this.#writeAll(this.#discarded)
    this.#writeAll(this.#deferred)
    this.#delivered = []
    this.#discarded = []
    this.#deferred = []
    this.#deferredBytes = 0
    this.#checkedBytes = 0
    this.some = false
  }

  /**
   * Finds the messages that are not in the output any more. Whether a request has failed does not tell: the
   * failure of one in an EXEC discards the output of that one alone.
   */
  #sort(): void {
    const end = this.#reply.rewoundTo
    if (end === Number.POSITIVE_INFINITY) return
    this.#reply.rewoundTo = Number.POSITIVE_INFINITY
    const first = this.#delivered.findIndex(({ start }) => start >= end)
    if (first < 0) return
    for (const { message } of this.#delivered.splice(first)) this.#discarded.push(message)
  }

  #gather(message: Uint8Array): void {
    if (this.#deferred.length < MAX_APART) {
      this.#deferred.push(message)
      return
    }
    if (this.#blockLength + message.length > this.#block.length) {
      this.#endBlock()
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
    }
    this.#block.set(message, this.#blockLength)
    this.#blockLength += message.length
  }

  #endBlock(): void {
    if (this.#blockLength > 0) this.#deferred.push(this.#block.subarray(0, this.#blockLength))
    this.#block = NO_BLOCK
    this.#blockLength = 0
  }

  #writeAll(messages: readonly KeptMessage[]): void {
    for (const message of messages) writeMessage(this.#reply, message)
  }
}

/** Writes a message among the replies. */
export function writeMessage(reply: ReplyWriter, message: MessageBytes): void {
  if (message instanceof PassingMessage) message.writeTo(reply)
  else if (message instanceof Uint8Array) reply.append(message)
  else reply.appendSource(message)
}

/** What a message adds to the length of a `ReplyWriter`. */
function lengthOf(message: KeptMessage): number {
  return message instanceof Uint8Array ? message.length : lengthOfSource(message)
}
