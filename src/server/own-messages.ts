import { lasting, PassingMessage } from '../resp/passing-message.ts'
import { lengthOfSource } from '../resp/reply-parts.ts'
import { type ReplySource, ReplyWriter } from '../resp/reply-writer.ts'

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

/** A message among the output, or short ones, one right after the other. */
interface Delivered {
  /** Absent for short ones, whose bytes lie together. */
  readonly message: KeptMessage | undefined
  /** Where short ones begin there. */
  readonly from: number
  /** Where it begins and ends in the output. */
  readonly start: number
  end: number
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
  /** The bytes of the short ones among them; absent if there are none. */
  #short: ReplyWriter | undefined
  /** Messages that an error has discarded, with all that its command had written. */
  #discarded: KeptMessage[] = []
  /** Messages that came during EXEC: kept back because they would split its reply. */
  #deferred: KeptMessage[] = []
  #deferredBytes = 0
  #checkedBytes = 0
  /** Of those that are delivered, since the client's limit was checked. */
  #uncheckedBytes = 0
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

  /**
   * Writes a message before or behind the reply of the present command. Disconnects the client if they are too much for
   * it.
   */
  deliver(given: MessageBytes): void {
    this.some = true
    this.#sort()
    const start = this.#reply.length
    if (isShort(given)) this.#deliverShort(given, start)
    else {
      const message = lasting(given, this.#reply.protocol)
      writeMessage(this.#reply, message)
      this.#delivered.push({ message, from: 0, start, end: this.#reply.length })
    }
    this.#uncheckedBytes += this.#reply.length - start
    if (this.#uncheckedBytes < CHECK_BYTES) return
    this.#uncheckedBytes = 0
    // What is written counts already.
    this.#owner.mayGet(0)
  }

  #deliverShort(message: Uint8Array | PassingMessage, start: number): void {
    this.#short ??= new ReplyWriter()
    this.#short.protocol = this.#reply.protocol
    const from = this.#short.length
    writeMessage(this.#short, message)
    writeMessage(this.#reply, message)
    const end = this.#reply.length
    const last = this.#delivered[this.#delivered.length - 1]
    const isNext = last?.end === start && last.from + start - last.start === from
    if (isNext && last.message === undefined) last.end = end
    else this.#delivered.push({ message: undefined, from, start, end })
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
    this.#short?.clear()
    this.#short = undefined
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
    const first = this.#delivered.findIndex((delivered) => delivered.end > end)
    if (first < 0) return
    for (const delivered of this.#delivered.splice(first)) {
      // Of short ones in a row, the first may be there still.
      const kept = Math.max(0, end - delivered.start)
      this.#discarded.push(delivered.message ?? this.#bytesOf(delivered, kept))
      if (kept > 0) this.#delivered.push({ ...delivered, end })
    }
  }

  /** The bytes of short messages in a row. @param skipped how many of them are left out */
  #bytesOf({ from, start, end }: Delivered, skipped: number): Buffer {
    const bytes = this.#short?.bytes.subarray(from + skipped, from + end - start)
    return Buffer.from(bytes ?? [])
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

function isShort(message: MessageBytes): message is Uint8Array | PassingMessage {
  const hasBytes = message instanceof Uint8Array || message instanceof PassingMessage
  return hasBytes && message.length <= MAX_GATHERED_BYTES
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
