import { SOURCE_BYTES } from '../resp/reply-parts.ts'
import type { ReplySource, ReplyWriter } from '../resp/reply-writer.ts'

/** A message to a client: bytes, or what is made as it is sent. */
export type MessageBytes = Uint8Array | ReplySource

/** More messages than this, held back until the client's own EXEC ends, disconnect the client. */
const MAX_DEFERRED_BYTES = 64 * 1024 * 1024

/** The messages that a client's own request brings it. */
export class OwnMessages {
  /** Whether there are any, so that an ordinary request pays for one look only. */
  some = false
  readonly #reply: ReplyWriter
  /** Messages written during the present command: kept here because an error discards its reply. */
  #delivered: MessageBytes[] = []
  #deliveredBytes = 0
  /** Messages that came during EXEC: kept back because they would split its reply. */
  #deferred: MessageBytes[] = []
  #deferredBytes = 0

  constructor(reply: ReplyWriter) {
    this.#reply = reply
  }

  /** Bytes that stand before the reply of the present command. */
  get deliveredBytes(): number {
    return this.#deliveredBytes
  }

  /** Notes a message that has been written before the reply of the present command. */
  delivered(message: MessageBytes): void {
    this.some = true
    this.#delivered.push(message)
    this.#deliveredBytes += lengthOf(message)
  }

  /** Keeps a message back until EXEC ends. @returns why the client must be disconnected, if it must */
  defer(message: MessageBytes): string | undefined {
    this.some = true
    this.#deferred.push(message)
    this.#deferredBytes += lengthOf(message)
    if (this.#deferredBytes <= MAX_DEFERRED_BYTES) return undefined
    return `its own EXEC has brought it more than ${MAX_DEFERRED_BYTES} bytes of messages`
  }

  /** Called when a command has run. @param failed whether an error has replaced all that it wrote */
  afterCommand(failed: boolean): void {
    if (failed) this.#writeAll(this.#delivered)
    this.#writeAll(this.#deferred)
    this.#delivered = []
    this.#deferred = []
    this.#deliveredBytes = this.#deferredBytes = 0
    this.some = false
  }

  #writeAll(messages: readonly MessageBytes[]): void {
    for (const message of messages) writeMessage(this.#reply, message)
  }
}

/** Writes a message among the replies. */
export function writeMessage(reply: ReplyWriter, message: MessageBytes): void {
  if (message instanceof Uint8Array) reply.append(message)
  else reply.appendSource(message)
}

/** What a message adds to the length of a `ReplyWriter`. */
function lengthOf(message: MessageBytes): number {
  return message instanceof Uint8Array ? message.length : SOURCE_BYTES + message.weight
}
