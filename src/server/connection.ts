import type { Socket } from 'node:net'
import { type Client, endTransaction, type ServerContext } from '../request/client.ts'
import type { Dispatcher } from '../request/dispatcher.ts'
import type { FrameDecoder } from '../resp/frame-decoder.ts'
import type { ReplyWriter } from '../resp/reply-writer.ts'
import type { RequestBatch } from '../resp/request-batch.ts'
import type { RequestLimits } from '../resp/request-limits.ts'
import { type RequestHandler, RequestReader } from '../resp/request-reader.ts'
import { Output, type OutputOwner } from './output.ts'
import { Session } from './session.ts'
import { shareInput } from './socket/input.ts'
import type { Turn, TurnClient } from './turn.ts'

/** Replies are sent before their turn ends when they reach this size. */
const FLUSH_BYTES = 256 * 1024
/** A client with more bytes of unread replies is not served until it has read them. */
const MAX_UNREAD_BYTES = 1024 * 1024
/** How long a connection that is being closed may take to read its last replies, in ms. */
const CLOSING_GRACE_MS = 5000
/** How long one client's pipelined requests are served before it is the turn of others, in ms. */
const TURN_MS = 10
/** The most bytes of messages that wait for the end of the client's own EXEC. */
const MAX_DEFERRED_BYTES = 64 * 1024 * 1024

/** What all connections of a server share. */
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

/** One connected client: its socket, its requests in order, its replies in order. */
export class Connection extends Session implements Client, RequestHandler, TurnClient, OutputOwner {
  readonly reply: ReplyWriter
  readonly #context: ConnectionContext
  readonly #socket: Socket
  readonly #output: Output
  readonly #reader: RequestReader
  /** In the middle of a chunk: replies are gathered and written at its end. */
  #serving = false
  #queued = false
  #closing = false
  #closingSince = 0
  #gone = false
  #onGone: (() => void) | undefined
  /** Its replies have to be read before more requests are served. */
  #waiting = false
  /** It has had its turn. */
  #yielding = false
  #turnEnd = 0
  /** The client will send no more, but may be owed replies. */
  #ended = false
  /** What was delivered during the present command: an undone reply must not take it along. */
  #delivered: Uint8Array[] = []
  #deliveredBytes = 0
  /** What was delivered in the middle of EXEC: it must not get in between the parts of its reply. */
  #deferred: Uint8Array[] = []
  #deferredBytes = 0
  /** The request that is to be served when the client goes on. */
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

  /** Serves what has been received and waits for its turn. */
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
      // What was delivered meanwhile stands before the reply, and is none.
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
    if (this.reply.length >= FLUSH_BYTES) {
      this.flush()
      this.#waitIfUnread()
    }
    // Who waits has no turn to end, and is to be seen when it hangs up.
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

  deliver(bytes: Uint8Array): void {
    if (this.#closing) return
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
    // At once, so that what others' requests bring is measured against the limit as it grows.
    else if (this.reply.length >= FLUSH_BYTES) this.flush()
    else this.#queueFlush()
  }

  deliverShared(bytes: Buffer): void {
    const { persistence } = this.server
    const waits = this.#serving || this.executing || this.reply.length > 0 || this.#output.holds
    if (waits || this.#closing || persistence.holding) this.deliver(bytes)
    else this.#output.send(bytes)
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
      // Not at once: this may be called from the middle of another client's command.
      queueMicrotask(() => this.#goOn())
    }
  }

  postpone(args: string[], onGone: () => void): () => void {
    this.#postponed = args
    // CLIENT REPLY SKIP is still about this request.
    if (this.reply.muted && this.replyMode === 'on') this.replyMode = 'skip'
    return this.block(onGone)
  }

  whenDrained(callback: () => void): void {
    this.#onDrained.push(callback)
    this.#queueFlush()
  }

  flush(): void {
    this.#queued = false
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
    if (this.#waiting && !this.#socket.writableNeedDrain) this.#onDrain()
  }

  #append(all: readonly Uint8Array[]): void {
    for (const bytes of all) this.reply.append(bytes)
  }

  /** Called every second. */
  survey(): void {
    this.#output.check()
    const closingFor = this.server.clock.now() - this.#closingSince
    if (this.#closing && closingFor > CLOSING_GRACE_MS) this.#socket.destroy()
    // A paused socket does not tell that its client has gone: read on, a little.
    if (this.blocked && this.#socket.isPaused()) this.#socket.resume()
  }

  /** Ends the connection without waiting for anything. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** Called before requests are served. */
  #begin(): void {
    const { clock, pubsub } = this.server
    // What it is owed comes before what it gets now.
    if (this.channels.size > 0) pubsub.flush()
    pubsub.served = this
    this.#serving = true
    this.#turnEnd = clock.lastLap + TURN_MS
  }

  /** Called when those have been served that can be. */
  #finish(): void {
    this.server.pubsub.served = undefined
    this.#serving = false
    // Not at once: whoever is sent a reply wakes up and competes with those still to be served.
    this.#queueFlush()
    this.#waitIfUnread()
    this.#readOrPause()
    if (!this.#halted && this.#ended) this.close()
  }

  get #halted(): boolean {
    return this.blocked || this.#waiting || this.#yielding
  }

  /** Serves what has come before. */
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
    if (this.#serving || this.#queued) return
    this.#queued = true
    this.#context.turn.queueFlush(this)
  }

  /**
   * Whoever waits for an event may go on sending, up to a limit, and is read on: a paused socket
   * does not tell that its client has gone.
   */
  #readOrPause(): void {
    if (this.#waiting || this.#yielding) return
    const reads = !this.blocked || this.bufferedInput <= MAX_UNREAD_BYTES
    if (reads === this.#socket.isPaused()) {
      if (reads) this.#socket.resume()
      else this.#socket.pause()
    }
  }

  /** What it does not read it shall not ask for: unread replies would pile up without end. */
  #waitIfUnread(): void {
    if (this.#closing || this.bufferedOutput <= MAX_UNREAD_BYTES) return
    this.#waiting = true
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
    // Whoever waits for an event and hangs up has gone; whoever waits for its turn has not.
    if (this.blocked || !this.#halted) this.close()
  }

  #onDrain(): void {
    if (this.#onDrained.length > 0) this.#callDrained()
    if (!this.#waiting) return
    this.#waiting = false
    this.#goOn()
  }

  #callDrained(): void {
    const callbacks = this.#onDrained
    this.#onDrained = []
    for (const callback of callbacks) callback()
  }

  /** Nothing it has asked for is of use any more. */
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

/** The two words that HTTP requests of a browser hold: such a page must not write to the tree. */
function isHttp(word: string): boolean {
  if (word.length !== 4 && word.length !== 5) return false
  // P, p, H or h: most words are none of these, and none of them is made for nothing.
  const first = word.charCodeAt(0) | 0x20
  if (first !== 0x70 && first !== 0x68) return false
  const lower = word.toLowerCase()
  return lower === 'post' || lower === 'host:'
}
