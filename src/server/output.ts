import type { Socket } from 'node:net'
import type { ServerContext } from '../request/client.ts'
import { bytesOfParts, partsBehind, replaceRanges, SourcePart } from '../resp/reply-parts.ts'
import { type ReplyPart, ReplyWriter } from '../resp/reply-writer.ts'
import { NEVER } from '../store/loose-values.ts'
import type { ClientMemory, ReferringReplies } from './client-memory.ts'
import { checkTurn, OutputLimitGuard } from './output-limit.ts'
import { PartEncoder } from './part-encoder.ts'
import type { Pump, Pumped } from './pump.ts'
import { DirectOutput } from './socket/output.ts'

/** Messages are measured against the limit when so many bytes of them have been sent in one turn. */
const MAX_UNMEASURED_BYTES = 1024 * 1024
/** The reply to a write whose record the journal has not taken. */
const UNSAVED_ERROR = Buffer.from(
  '-MISCONF the write was made, but could not be put on disk yet: it is lost if the server ends now\r\n',
)

/** Output that is held until a record of the journal is kept. */
interface HeldOutput {
  /** The record of the journal that releases it, when it is kept. */
  readonly record: number
  readonly parts: readonly ReplyPart[]
  readonly length: number
  /** Start and end offsets, in turn, of the replies to writes. */
  readonly writes: readonly number[]
}

/** The connection that an output belongs to. */
export interface OutputOwner {
  /** Whether the client has subscriptions, because other limits apply to its output. */
  readonly subscribes: boolean
  readonly closing: boolean
  disconnect(reason: string): void
  /** Ends the connection because of an unexpected error. */
  fail(error: unknown): void
  /** Called when output had to wait, for the client or for the disk, and none waits any more. */
  onSent(): void
}

/** What the outputs of all connections share. */
export interface OutputContext {
  readonly server: ServerContext
  readonly pump: Pump
  readonly clientMemory: ClientMemory
  /** Counts how often the replies and messages of a turn have been sent. */
  readonly turn: { readonly flushes: number }
  /** The outputs that hold something back until a record is kept. */
  readonly holding: Set<Output>
}

/**
 * Sends a client's replies and messages; holds them until the writes before them are kept.
 *
 *     reply ─▶ held, for a record ──▶ the system, as much as it takes
 *                                       └─▶ the socket, one piece at a time
 *                                            └─▶ the encoder, for what comes after
 */
export class Output implements Pumped, ReferringReplies {
  readonly reply = new ReplyWriter()
  readonly #context: OutputContext
  readonly #owner: OutputOwner
  readonly #socket: Socket
  readonly #direct: DirectOutput
  readonly #limit = new OutputLimitGuard()
  #closed = false
  #held: HeldOutput[] = []
  #heldBytes = 0
  /** Start and end offsets in `reply`, in turn, of the replies to writes that may be held. */
  #writes: number[] = []
  /** Whether the system has not taken all that was sent: what comes next waits in the encoder. */
  #busy = false
  readonly #encoder = new PartEncoder()
  /** Bytes sent so far, those in the socket included. */
  #sentBytes = 0
  /** How many unread bytes have been noted in the memory of all clients. */
  #noted = 0
  /** Bytes of messages that were sent before the end of the turn, because they are many. */
  #early = 0
  /** The turn of {@link #early}, by its `flushes`. */
  #earlyIn = 0

  constructor(context: OutputContext, owner: OutputOwner, socket: Socket) {
    this.#context = context
    this.#owner = owner
    this.#socket = socket
    this.#direct = new DirectOutput(socket)
  }

  /** Bytes written and not yet sent; values that are not copied count, too. */
  get unsentBytes(): number {
    const { reply } = this
    const encoder = this.#encoder
    const waiting = this.#busy
      ? this.#socket.writableLength + encoder.length + encoder.sharedBytes
      : 0
    return reply.length + reply.sharedBytes + this.#heldBytes + waiting
  }

  /**
   * Bytes written and not yet sent, or sent as messages in this turn, if these are more: a request that brings
   * a client more messages than its limit goes on for as long as the client reads them.
   */
  get aheadBytes(): number {
    const isNow = this.#earlyIn === this.#context.turn.flushes
    return isNow ? Math.max(this.unsentBytes, this.#early) : this.unsentBytes
  }

  /** How much memory is in use for this output alone, in bytes. */
  get ownBytes(): number {
    const waiting = this.#busy ? this.#socket.writableLength + this.#encoder.ownLength : 0
    return this.reply.ownLength + this.#heldBytes + waiting
  }

  /** How much of that lies in V8's heap, about: what makes replies does, bytes do not. */
  get heapBytes(): number {
    return this.#busy ? this.#encoder.sourceLength : 0
  }

  get refersSince(): number {
    return this.#busy ? this.#encoder.refersSince : NEVER
  }

  looseBytes(inHeap: boolean): number {
    return this.#busy ? this.#encoder.looseBytes(inHeap) : 0
  }

  /** Bytes sent so far: tells whether the client reads. */
  get sentBytes(): number {
    return this.#sentBytes
  }

  /** Whether output is held until a record is kept. */
  get holds(): boolean {
    return this.#held.length > 0
  }

  /** Whether a reply is still to be made while it is sent. */
  get hasSource(): boolean {
    return this.#encoder.hasSource || this.#held.some(({ parts }) => parts.some(isSource))
  }

  /** Whether something waits that the socket has not been given. */
  get hasUnsentParts(): boolean {
    return this.#held.length > 0 || !this.#encoder.isEmpty
  }

  /** Whether all but what is in `reply` has been sent. */
  get isDrained(): boolean {
    return !this.#busy && this.#held.length === 0
  }

  /** Marks a part of `reply` as the reply to a write, which waits for the write's record. */
  noteWrite(start: number, end: number): void {
    this.#writes.push(start, end)
  }

  /** Like {@link noteWrite}, for a reply with messages around it. @param ranges starts and ends, in turn */
  noteWrites(ranges: readonly number[]): void {
    for (const offset of ranges) this.#writes.push(offset)
  }

  /** Sends the replies, or holds them until the writes before them are kept. */
  flush(): void {
    const { reply } = this
    if (reply.length === 0) return
    const { persistence } = this.#context.server
    persistence.append()
    if (this.#held.length > 0 || persistence.holding) {
      this.#hold()
      return
    }
    if (persistence.failure === undefined) this.#takeWrites()
    if (reply.isPlain && !this.#busy && this.#writes.length === 0) this.#sendPlain()
    else this.#sendReplies()
  }

  /** Like {@link flush}, before the turn ends, because other clients' requests have brought many messages. */
  flushMessages(): void {
    const { length } = this.reply
    this.flush()
    this.#noteEarly(length)
  }

  /** Sends messages, after all bytes sent before. @param bytes never change */
  send(bytes: Buffer): void {
    if (this.#closed) return
    if (this.#busy) this.#encoder.add(bytes)
    else this.#write(bytes, bytes.length, false)
    this.#checkIfSlow()
    this.#noteEarly(bytes.length)
  }

  /** Sends the next piece; called in turn with other clients' outputs. */
  pump(): void {
    // A piece is in the socket, which calls back when the system has taken it.
    if (this.#closed || this.#socket.writableLength > 0) return
    if (!this.#encoder.isEmpty) {
      const { bytes, isScratch } = this.#encoder.next()
      if (bytes.length > 0) this.#write(bytes, bytes.length, isScratch)
      if (this.#socket.writableLength === 0 && !this.#encoder.isEmpty) this.#context.pump.add(this)
    }
    this.#busy = this.#socket.writableLength > 0 || !this.#encoder.isEmpty
    this.check()
    if (!this.#busy) this.#owner.onSent()
  }

  fail(error: unknown): void {
    this.#owner.fail(error)
  }

  /** Sends the output held until this record or an earlier one. */
  release(record: number): void {
    const kept = this.#held.findIndex((held) => held.record > record)
    const released = this.#held.splice(0, kept < 0 ? this.#held.length : kept)
    for (const { parts, length } of released) {
      this.#heldBytes -= length
      this.#sendParts(parts)
    }
    this.#afterRelease()
  }

  /** Sends all held output after the journal has failed, with an error in place of each write's reply. */
  releaseUnsaved(): void {
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    for (const { parts, writes } of held) {
      this.#sendParts(replaceRanges(parts, writes, UNSAVED_ERROR))
    }
    this.#afterRelease()
  }

  /** Disconnects the client if its unread output exceeds a limit. */
  check(): void {
    this.hasRoomFor(0)
  }

  /** Whether this many more bytes are within the limits; if not, disconnects the client. */
  hasRoomFor(length: number): boolean {
    const { config, clock, stats } = this.#context.server
    const limits = config.get('client-output-buffer-limit')
    const limit = limits[this.#owner.subscribes ? 'pubsub' : 'normal']
    const unsent = this.unsentBytes
    this.#note(unsent)
    const reason =
      this.#limit.check(unsent + length, limit, clock.elapsed()) ??
      checkTurn(this.aheadBytes, limit)
    if (reason === undefined) return true
    stats.outputLimitDisconnections++
    this.#owner.disconnect(reason)
    return false
  }

  /** Drops all output: the connection has ended. */
  close(): void {
    this.#closed = true
    this.reply.handOver()
    this.#encoder.clear()
    this.#held = []
    this.#heldBytes = 0
    this.#context.holding.delete(this)
    this.#note(0)
  }

  #sendPlain(): void {
    const { reply } = this
    this.#write(reply.memory, reply.length, false)
    // The socket still reads from the memory if the system has not taken all of it.
    if (this.#busy) reply.handOver()
    else reply.clear()
    this.#checkIfSlow()
  }

  #sendReplies(): void {
    const writes = this.#takeWrites()
    const parts = this.reply.takeParts()
    // The journal may have failed between the request and now.
    const lost = writes.length > 0 && this.#context.server.persistence.failure !== undefined
    this.#sendParts(lost ? replaceRanges(parts, writes, UNSAVED_ERROR) : parts)
    this.#checkIfSlow()
  }

  #sendParts(given: readonly ReplyPart[]): void {
    if (this.#closed) return
    const begins = !this.#busy
    const parts = begins ? this.#sendTogether(given) : given
    for (const part of parts) {
      if (!this.#busy && parts.length === 1 && Buffer.isBuffer(part)) {
        this.#write(part, part.length, false)
        return
      }
      this.#busy = true
      this.#encoder.add(part)
    }
    // The first piece is sent at once, and the others in turn with those of other clients.
    if (begins && parts.length > 0) this.pump()
  }

  /** Gives the system several parts in one call, if all of them are bytes. @returns what is left to be sent */
  #sendTogether(parts: readonly ReplyPart[]): readonly ReplyPart[] {
    const pieces = parts.length > 1 ? bytesOfParts(parts) : undefined
    if (pieces === undefined) return parts
    const written = this.#direct.writeAll(pieces)
    this.#context.server.stats.outputBytes += written
    this.#sentBytes += written
    return partsBehind(parts, written)
  }

  /**
   * Gives bytes to the system, and what it does not take to the socket.
   *
   * @param length count of the bytes to send, from the first on
   * @param isScratch whether the memory is overwritten soon
   */
  #write(bytes: Buffer, length: number, isScratch: boolean): void {
    this.#context.server.stats.outputBytes += length
    this.#sentBytes += length
    const written = this.#direct.write(bytes, length)
    if (written === length) return
    this.#busy = true
    const rest = bytes.subarray(written, length)
    // The end of a long value must not keep all of it.
    const isEnd = 2 * rest.length < rest.buffer.byteLength && !this.#encoder.isWithinValue
    this.#socket.write(isScratch || isEnd ? Buffer.from(rest) : rest, this.#onWritten)
  }

  /** Called when the system has taken what was in the socket. */
  readonly #onWritten = (error?: Error | null): void => {
    if (this.#closed || error || this.#socket.writableLength > 0) return
    this.#context.pump.add(this)
  }

  /** Checks the limits, unless the system has taken all bytes at once, as it usually does. */
  #checkIfSlow(): void {
    if (this.#busy || this.#limit.isOver || this.#owner.closing) this.check()
  }

  /** @param length of messages that have been sent, in bytes */
  #noteEarly(length: number): void {
    const { flushes } = this.#context.turn
    if (this.#earlyIn !== flushes) this.#early = 0
    this.#earlyIn = flushes
    this.#early += length
    if (this.#early > MAX_UNMEASURED_BYTES) this.check()
  }

  #hold(): void {
    const { reply } = this
    const length = reply.length + reply.sharedBytes
    const record = this.#context.server.persistence.covering
    this.#held.push({ record, parts: reply.takeParts(), length, writes: this.#takeWrites() })
    this.#heldBytes += length
    this.#context.holding.add(this)
    this.check()
  }

  /** @param unread bytes of unread output */
  #note(unread: number): void {
    this.#context.clientMemory.noteUnread(unread - this.#noted)
    this.#noted = unread
  }

  #takeWrites(): readonly number[] {
    const writes = this.#writes
    if (writes.length > 0) this.#writes = []
    return writes
  }

  #afterRelease(): void {
    if (this.#held.length > 0) return
    this.#context.holding.delete(this)
    if (!this.#busy) this.#owner.onSent()
  }
}

function isSource(part: ReplyPart): boolean {
  return part instanceof SourcePart
}
