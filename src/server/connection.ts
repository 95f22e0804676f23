import type { Socket } from 'node:net'
import { type Client, endTransaction, limitKept, type ServerContext } from '../request/client.ts'
import type { Dispatcher } from '../request/dispatcher.ts'
import type { FrameDecoder } from '../resp/frame-decoder.ts'
import { isHttp } from '../resp/http-request.ts'
import type { ReplyWriter } from '../resp/reply-writer.ts'
import type { RequestBatch } from '../resp/request-batch.ts'
import type { RequestLimits } from '../resp/request-limits.ts'
import { type RequestHandler, RequestReader } from '../resp/request-reader.ts'
import { Output, type OutputOwner } from './output.ts'
import { Session } from './session.ts'
import { shareInput } from './socket/input.ts'
import type { Turn, TurnClient } from './turn.ts'

/** Replies of this size are sent before the turn ends. */
const EARLY_FLUSH_BYTES = 256 * 1024
/** A client with more unread replies is not served until it has read them. */
const MAX_UNREAD_BYTES = 1024 * 1024
/** A blocked client with more buffered input is not read from until it goes on. */
const MAX_BLOCKED_INPUT_BYTES = 1024 * 1024
/** A closing connection may take this long to read its last replies. */
const CLOSING_GRACE_MS = 5000
/** A client yields to the others after its pipeline has been served for this long. */
const MAX_TURN_MS = 10
/** More messages than this, held back until the client's own EXEC ends, disconnect the client. */
const MAX_DEFERRED_BYTES = 64 * 1024 * 1024

/** The parts of a server that all of its connections share. */
export interface ConnectionContext {
  readonly server: ServerContext
  readonly dispatcher: Dispatcher
  readonly turn: Turn
  readonly requestLimits: RequestLimits
  readonly frameDecoder: FrameDecoder
  /** The outputs that wait for the disk. */
  readonly holding: Set<Output>
  /** Called after requests have been served outside a turn. */
  onServed(): void
  /** Called when a connection has ended. */
  onClosed(connection: Connection): void
}

/** One client's connection: serves its requests in order and sends its replies in order. */
export class Connection extends Session implements Client, RequestHandler, TurnClient, OutputOwner {
  readonly reply: ReplyWriter
  readonly #context: ConnectionContext
  readonly #socket: Socket
  readonly #output: Output
  readonly #reader: RequestReader
  /** Requests are being served; their replies are gathered and sent later. */
  #serving = false
  /** A flush is queued for the end of the turn. */
  #flushQueued = false
  #closing = false
  /** Unix milliseconds. */
  #closingSince = 0
  /** The socket has closed. */
  #gone = false
  /** Called if the client leaves while it is blocked; present only then. */
  #onGone: (() => void) | undefined
  /** Backpressure: the client has to read its replies before more requests are served. */
  #overfull = false
  /** The client has yielded its turn to the others. */
  #yielding = false
  /** When the client's turn ends, in milliseconds since the process began. */
  #turnEnd = 0
  /** The client sends no more (half-close), but may still be owed replies. */
  #ended = false
  /** Messages delivered during the present command: kept here because an error discards its reply. */
  #delivered: Uint8Array[] = []
  #deliveredBytes = 0
  /** Messages delivered during EXEC: kept back because they would split its reply. */
  #deferred: Uint8Array[] = []
  #deferredBytes = 0
  /** The request that a gate has postponed. */
  #postponed: string[] | undefined
  #onDrained: (() => void)[] = []

  constructor(
    context: ConnectionContext,
    socket: Socket,
    id: number,
    address: string,
    localAddress: string,
  ) {
    super(context.server, id, address, localAddress)
    this.#context = context
    this.#reader = new RequestReader(this, context.requestLimits, context.frameDecoder)
    this.#reader.unauthenticated = this.needsPassword
    this.#socket = shareInput(socket, (bytes, length) => context.turn.receive(this, bytes, length))
    this.#output = new Output(context.server, this, this.#socket, context.holding)
    this.reply = this.#output.reply
    this.#socket.on('drain', () => this.#onDrain())
    this.#socket.on('end', () => this.#onEnd())
    this.#socket.on('error', (error) =>
      context.server.logger.debug({ err: error, client: this.id }, 'connection failed'),
    )
    this.#socket.on('close', () => this.#onClose())
  }

  get blocked(): boolean {
    return this.#onGone !== undefined
  }

  get bufferedInput(): number {
    return this.#reader.bufferedBytes
  }

  get bufferedOutput(): number {
    return this.#output.unsentBytes
  }

  get closing(): boolean {
    return this.#closing
  }

  take(bytes: Buffer, start: number, end: number, batch: RequestBatch): void {
    if (this.#gone) return
    this.server.stats.inputBytes += end - start
    this.#reader.take(bytes, start, end, batch)
  }

  serveTaken(): void {
    if (this.#gone) return
    this.lastRequestAt = this.server.clock.now()
    this.#begin()
    try {
      this.#reader.deliver()
    } finally {
      this.#finish()
    }
  }

  /** Serves the requests that were received before the client yielded. */
  serveRest(): void {
    while (this.#yielding) {
      this.#yielding = false
      this.#goOn()
    }
  }

  onRequest(args: string[]): void {
    if (this.#closing) return
    this.reply.muted = this.replyMode !== 'on'
    if (this.replyMode === 'skip') this.replyMode = 'on'
    if (isHttp(args[0])) {
      this.disconnect('it speaks HTTP: a web page may be attacking through a browser')
      return
    }
    const { stats, persistence } = this.server
    const errorsBefore = stats.errorReplies
    const writesBefore = persistence.writes
    const start = this.reply.length
    this.#context.dispatcher.dispatch(this, args)
    if (persistence.writes !== writesBefore && persistence.holding) {
      // Messages delivered by the command stand before its reply, and are not part of it.
      this.#output.noteWrite(start + this.#deliveredBytes, this.reply.length)
    }
    if (this.#deliveredBytes > 0) {
      if (stats.errorReplies !== errorsBefore) this.#append(this.#delivered)
      this.#delivered = []
      this.#deliveredBytes = 0
    }
    if (this.#deferredBytes > 0) {
      this.#append(this.#deferred)
      this.#deferred = []
      this.#deferredBytes = 0
    }
    this.#reader.unauthenticated = this.needsPassword
    if (this.reply.length >= EARLY_FLUSH_BYTES) {
      this.flush()
      this.#pauseIfUnread()
    }
    // A blocked client does not yield, because yielding would hide that it hangs up.
    if (this.server.clock.lastLap > this.#turnEnd && !this.blocked) this.#yieldTurn()
  }

  onBatch(batch: RequestBatch): void {
    this.server.store.lookAhead(batch)
  }

  onProtocolError(message: string): void {
    this.server.logger.debug({ client: this.id, address: this.address }, message)
    this.reply.muted = false
    this.reply.error(`ERR ${message}`)
    this.close()
  }

  onOverflow(): void {
    this.disconnect('a request is larger than client-query-buffer-limit')
  }

  limitKept(): boolean {
    return limitKept(this)
  }

  deliver(bytes: Uint8Array): void {
    if (this.#closing) return
    try {
      this.#deliver(bytes)
    } catch (error) {
      this.disconnect(`a message could not be sent to it: ${error}`)
    }
  }

  #deliver(bytes: Uint8Array): void {
    if (this.executing) {
      this.#deferred.push(bytes)
      this.#deferredBytes += bytes.length
      if (this.#deferredBytes > MAX_DEFERRED_BYTES) {
        this.disconnect(
          `its own EXEC has brought it more than ${MAX_DEFERRED_BYTES} bytes of messages`,
        )
      }
      return
    }
    this.reply.append(bytes)
    if (this.#serving) {
      this.#delivered.push(bytes)
      this.#deliveredBytes += bytes.length
    }
    // An early flush measures the messages of other clients' requests against the output limit.
    else if (this.reply.length >= EARLY_FLUSH_BYTES) this.flush()
    else this.#queueFlush()
  }

  deliverShared(bytes: Buffer): void {
    const { persistence } = this.server
    const waits = this.#serving || this.executing || this.reply.length > 0 || this.#output.holds
    if (waits || this.#closing || persistence.holding) {
      this.deliver(bytes)
      return
    }
    try {
      this.#output.send(bytes)
    } catch (error) {
      this.disconnect(`a message could not be sent to it: ${error}`)
    }
  }

  close(): void {
    if (this.#closing) return
    if (this.channels.size > 0) this.server.pubsub.flush()
    this.#closing = true
    this.#closingSince = this.server.clock.now()
    this.#reader.destroy()
    this.#leave()
    this.#queueFlush()
  }

  disconnect(reason: string): void {
    this.server.logger.warn(
      { client: this.id, address: this.address, name: this.name },
      `client disconnected: ${reason}`,
    )
    this.#closing = true
    this.#reader.destroy()
    this.#socket.destroy()
  }

  block(onGone: () => void): () => void {
    this.#onGone = onGone
    this.#reader.pause()
    return () => {
      this.#onGone = undefined
      this.#queueFlush()
      // Going on waits for a microtask, because another client's command may be calling this.
      queueMicrotask(() => this.#goOn())
    }
  }

  postpone(args: string[], onGone: () => void): () => void {
    this.#postponed = args
    // CLIENT REPLY SKIP still applies to this request.
    if (this.reply.muted && this.replyMode === 'on') this.replyMode = 'skip'
    return this.block(onGone)
  }

  whenDrained(callback: () => void): void {
    this.#onDrained.push(callback)
    this.#queueFlush()
  }

  flush(): void {
    this.#flushQueued = false
    if (this.#gone) return
    this.#output.flush()
    if (this.#output.holds) return
    if (this.#closing) this.#socket.end()
    else if (this.#onDrained.length > 0 && this.#output.isDrained) {
      queueMicrotask(() => this.#callDrained())
    }
  }

  onReleased(): void {
    this.flush()
    if (this.#overfull && !this.#socket.writableNeedDrain) this.#onDrain()
  }

  #append(all: readonly Uint8Array[]): void {
    for (const bytes of all) this.reply.append(bytes)
  }

  /** Checks the limits on output and on closing. Called every second. */
  survey(): void {
    this.#output.check()
    const closingFor = this.server.clock.now() - this.#closingSince
    if (this.#closing && closingFor > CLOSING_GRACE_MS) this.#socket.destroy()
    // A paused socket does not report that its client has gone, so it is read from a little.
    if (this.blocked && this.#socket.isPaused()) this.#socket.resume()
  }

  /** Ends the connection at once, and drops unsent replies. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** Called before requests are served. */
  #begin(): void {
    const { clock, pubsub } = this.server
    // Messages of earlier requests come before the replies to these.
    if (this.channels.size > 0) pubsub.flush()
    pubsub.served = this
    this.#serving = true
    this.#turnEnd = clock.lastLap + MAX_TURN_MS
  }

  /** Called when requests have been served. */
  #finish(): void {
    this.server.pubsub.served = undefined
    this.#serving = false
    // Replies wait for the end of the turn, because a client that gets its reply wakes up and
    // takes processor time from the clients still to be served.
    this.#queueFlush()
    this.#pauseIfUnread()
    this.#readOrPause()
    if (!this.#halted && this.#ended) this.close()
  }

  /** Whether no request may be served now. */
  get #halted(): boolean {
    return this.blocked || this.#overfull || this.#yielding
  }

  /** Serves the requests received so far, unless the client is still halted. */
  #goOn(): void {
    if (this.#halted || this.#gone) return
    const { clock } = this.server
    clock.begin()
    this.#begin()
    try {
      this.#servePostponed()
    } finally {
      clock.end()
      this.#finish()
      this.#context.onServed()
    }
  }

  #servePostponed(): void {
    const postponed = this.#postponed
    this.#postponed = undefined
    if (postponed !== undefined) this.onRequest(postponed)
    if (!this.#halted) this.#reader.resume()
  }

  #queueFlush(): void {
    if (this.#serving || this.#flushQueued) return
    this.#flushQueued = true
    this.#context.turn.queueFlush(this)
  }

  /**
   * Pauses the socket of a blocked client only when its input reaches a limit, because a paused
   * socket does not report that its client has gone.
   */
  #readOrPause(): void {
    if (this.#overfull || this.#yielding) return
    const reads = !this.blocked || this.bufferedInput <= MAX_BLOCKED_INPUT_BYTES
    if (reads === this.#socket.isPaused()) {
      if (reads) this.#socket.resume()
      else this.#socket.pause()
    }
  }

  /** Serves no more requests while too many replies are unread: they would pile up without bound. */
  #pauseIfUnread(): void {
    if (this.#closing || this.bufferedOutput <= MAX_UNREAD_BYTES) return
    this.#overfull = true
    this.#reader.pause()
    this.#socket.pause()
  }

  #yieldTurn(): void {
    this.#yielding = true
    this.#reader.pause()
    this.#socket.pause()
    setImmediate(() => {
      this.#yielding = false
      this.#goOn()
    })
  }

  #onEnd(): void {
    this.#context.turn.serve()
    this.#ended = true
    // A blocked client that half-closes is gone; a client that yielded its turn is still owed its
    // replies.
    if (this.blocked || !this.#halted) this.close()
  }

  #onDrain(): void {
    if (this.#onDrained.length > 0) this.#callDrained()
    if (!this.#overfull) return
    this.#overfull = false
    this.#goOn()
  }

  #callDrained(): void {
    const callbacks = this.#onDrained
    this.#onDrained = []
    for (const callback of callbacks) callback()
  }

  /** Cancels all that the client has asked for: waits, watches, subscriptions, its transaction. */
  #leave(): void {
    const onGone = this.#onGone
    this.#onGone = undefined
    this.#onDrained = []
    onGone?.()
    this.#postponed = undefined
    endTransaction(this)
    this.server.pubsub.drop(this)
    this.server.monitors.delete(this)
  }

  #onClose(): void {
    this.#context.turn.serve()
    this.#gone = true
    this.#closing = true
    this.#reader.destroy()
    this.#output.close()
    this.#leave()
    this.#context.onClosed(this)
  }
}
