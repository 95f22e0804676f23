import type { Socket } from 'node:net'
import type { ServerContext } from '../request/client.ts'
import { ReplyWriter } from '../resp/reply-writer.ts'
import { OutputLimitGuard } from './output-limit.ts'
import { DirectOutput } from './socket/output.ts'

/** The reply to a write whose commit has failed. */
const UNSAVED_ERROR = Buffer.from(
  '-MISCONF the write was made, but could not be put on disk yet: it is lost if the server ends now\r\n',
)

/** Output that is held until a commit. */
interface HeldOutput {
  /** The commit that releases it. */
  readonly commit: number
  readonly bytes: Buffer
  /** Start and end offsets, in turn, of the replies to writes. */
  readonly writes: readonly number[]
}

/** The connection that an output belongs to. */
export interface OutputOwner {
  /** Whether the client has subscriptions or monitors, because other limits apply to its output. */
  readonly listens: boolean
  readonly closing: boolean
  disconnect(reason: string): void
  /** Called when no output is held any more. */
  onReleased(): void
}

/** Sends a client's replies and messages; holds them until the writes before them are on disk. */
export class Output {
  readonly reply = new ReplyWriter()
  readonly #server: ServerContext
  readonly #owner: OutputOwner
  readonly #socket: Socket
  readonly #direct: DirectOutput
  readonly #holding: Set<Output>
  readonly #limit = new OutputLimitGuard()
  #closed = false
  #held: HeldOutput[] = []
  #heldBytes = 0
  /** Start and end offsets in `reply`, in turn, of the replies to writes that may be held. */
  #writes: number[] = []

  /** @param holding the held outputs of all connections; this one adds and removes itself */
  constructor(server: ServerContext, owner: OutputOwner, socket: Socket, holding: Set<Output>) {
    this.#server = server
    this.#owner = owner
    this.#socket = socket
    this.#direct = new DirectOutput(socket)
    this.#holding = holding
  }

  /** Bytes written and not yet sent. */
  get unsentBytes(): number {
    return this.#socket.writableLength + this.reply.length + this.#heldBytes
  }

  /** Whether output is held until a commit. */
  get holds(): boolean {
    return this.#held.length > 0
  }

  /** Whether the system has taken all bytes sent so far. */
  get isDrained(): boolean {
    return this.#socket.writableLength === 0
  }

  /** Marks a part of `reply` as the reply to a write, which waits for the write's commit. */
  noteWrite(start: number, end: number): void {
    this.#writes.push(start, end)
  }

  /** Sends the replies, or holds them until the writes before them are on disk. */
  flush(): void {
    if (this.reply.length === 0) return
    if (this.#held.length > 0 || this.#server.persistence.holding) this.#hold()
    else this.#sendReplies()
  }

  /**
   * Sends bytes, after all bytes sent before.
   *
   * @param length count of the bytes to send, from the first on
   */
  send(bytes: Buffer, length = bytes.length): void {
    if (this.#closed) return
    this.#server.stats.outputBytes += length
    const written = this.#direct.write(bytes, length)
    if (written < length) this.#socket.write(bytes.subarray(written, length))
    // The system usually takes all bytes at once, which leaves nothing to check.
    if (this.#socket.writableLength > 0 || this.#limit.isOver || this.#owner.closing) this.check()
  }

  /** Sends the output held until this commit or an earlier one. */
  release(commit: number): void {
    const kept = this.#held.findIndex((held) => held.commit > commit)
    const released = this.#held.splice(0, kept < 0 ? this.#held.length : kept)
    for (const { bytes } of released) {
      this.#heldBytes -= bytes.length
      this.send(bytes)
    }
    this.#afterRelease()
  }

  /** Sends all held output after a commit has failed, with an error in place of each write's reply. */
  releaseUnsaved(): void {
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    for (const { bytes, writes } of held) this.send(withUnsaved(bytes, writes))
    this.#afterRelease()
  }

  /** Disconnects the client if its unread output exceeds a limit. */
  check(): void {
    this.hasRoomFor(0)
  }

  /** Whether so many bytes more are within the limits; if not, disconnects the client. */
  hasRoomFor(length: number): boolean {
    const limits = this.#server.config.get('client-output-buffer-limit')
    const limit = limits[this.#owner.listens ? 'pubsub' : 'normal']
    const unread = this.unsentBytes + length
    const reason = this.#limit.check(unread, limit, this.#server.clock.elapsed())
    if (reason === undefined) return true
    this.#server.stats.outputLimitDisconnections++
    this.#owner.disconnect(reason)
    return false
  }

  /** Drops all output: the connection has ended. */
  close(): void {
    this.#closed = true
    this.reply.handOver()
    this.#held = []
    this.#heldBytes = 0
    this.#holding.delete(this)
  }

  #sendReplies(): void {
    const { reply } = this
    const writes = this.#writes
    if (writes.length > 0) this.#writes = []
    // The commit may have failed between the request and now.
    if (writes.length > 0 && this.#server.persistence.failure !== undefined) {
      this.send(withUnsaved(reply.bytes, writes))
      reply.clear()
      return
    }
    if (this.#socket.writableLength > 0) {
      // The copy waits behind other output in no more memory than its length.
      this.send(Buffer.from(reply.bytes))
      reply.clear()
      return
    }
    this.send(reply.memory, reply.length)
    // The socket still reads from the memory if the system has not taken all of it.
    if (this.#socket.writableLength === 0) reply.clear()
    else reply.handOver()
  }

  #hold(): void {
    const { reply } = this
    const commit = this.#server.persistence.coveringCommit
    this.#held.push({ commit, bytes: Buffer.from(reply.bytes), writes: this.#writes })
    this.#heldBytes += reply.length
    reply.clear()
    this.#writes = []
    this.#holding.add(this)
    this.check()
  }

  #afterRelease(): void {
    if (this.#held.length > 0) return
    this.#holding.delete(this)
    this.#owner.onReleased()
  }
}

/**
 * Replaces each reply to a write by an error.
 *
 * @param writes start and end offsets, in turn, of those replies
 */
function withUnsaved(bytes: Buffer, writes: readonly number[]): Buffer {
  const parts: Buffer[] = []
  let at = 0
  for (let i = 0; i < writes.length; i += 2) {
    parts.push(bytes.subarray(at, writes[i]))
    at = writes[i + 1]
    // A muted reply has no bytes.
    if (at > writes[i]) parts.push(UNSAVED_ERROR)
  }
  parts.push(bytes.subarray(at))
  return Buffer.concat(parts)
}
