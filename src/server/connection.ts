import type { Socket } from 'node:net'
import { ReplyWriter } from '../resp/reply-writer.ts'
import type { RequestHandler } from '../resp/request-reader.ts'
import { RequestReader } from '../resp/request-reader.ts'
import { OutputLimitGuard } from './output-limit.ts'
import type { Server } from './server.ts'
import type { Subscriber } from './subscriber.ts'

/** Replies of one burst are handed to the socket when they reach so many bytes. */
const FLUSH_AT = 256 * 1024
/** A client that has so many bytes of replies unread is not served until it has read them. */
const UNREAD_PAUSE = 1024 * 1024
/** How long a connection that is being closed may take to read its last replies, in ms. */
const CLOSING_GRACE = 5000
/** After so many milliseconds of one client's pipelined requests it is the turn of others. */
const TURN = 10

/** One connected client: its socket, its requests in order, its replies in order. */
export class Connection implements Subscriber, RequestHandler {
  readonly server: Server
  readonly id: number
  readonly reply = new ReplyWriter()
  readonly address: string
  readonly localAddress: string
  readonly createdAt: number
  readonly channels = new Set<string>()
  readonly patterns = new Set<string>()
  lastRequestAt: number
  lastCommand = 'NULL'
  name = ''
  libraryName = ''
  libraryVersion = ''
  authenticated: boolean
  monitor = false
  noEvict = false
  noTouch = false
  replyMode: 'on' | 'off' | 'skip' = 'on'
  readonly #socket: Socket
  readonly #reader: RequestReader
  readonly #limit = new OutputLimitGuard()
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
  #delivered = ''
  #onDrained: (() => void)[] = []

  constructor(server: Server, socket: Socket, id: number, address: string, localAddress: string) {
    this.server = server
    this.id = id
    this.address = address
    this.localAddress = localAddress
    this.createdAt = this.lastRequestAt = server.clock.now()
    this.authenticated = server.config.get('requirepass') === ''
    this.#socket = socket
    this.#reader = new RequestReader(this, server.requestLimits)
    this.#reader.unauthenticated = this.#needsPassword()
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('drain', () => this.#onDrain())
    socket.on('end', () => this.#onEnd())
    socket.on('error', (error) =>
      server.logger.debug({ err: error, client: this.id }, 'connection failed'),
    )
    socket.on('close', () => this.#onClose())
  }

  get blocked(): boolean {
    return this.#onGone !== undefined
  }

  get bufferedInput(): number {
    return this.#reader.bufferedBytes
  }

  get bufferedOutput(): number {
    return this.#socket.writableLength + this.reply.out.length
  }

  get channelCount(): number {
    return this.channels.size
  }

  get patternCount(): number {
    return this.patterns.size
  }

  onRequest(args: string[]): void {
    if (this.#closing) return
    this.reply.muted = this.replyMode !== 'on'
    if (this.replyMode === 'skip') this.replyMode = 'on'
    if (isHttp(args[0])) {
      this.disconnect('it speaks HTTP: a web page may be attacking through a browser')
      return
    }
    const { stats } = this.server
    const errorsBefore = stats.errorReplies
    this.server.dispatcher.dispatch(this, args)
    if (this.#delivered !== '') {
      if (stats.errorReplies !== errorsBefore) this.reply.out += this.#delivered
      this.#delivered = ''
    }
    this.#reader.unauthenticated = this.#needsPassword()
    if (this.reply.out.length >= FLUSH_AT) {
      this.flush()
      this.#waitIfUnread()
    }
    if (performance.now() > this.#turnEnd) this.#yieldTurn()
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

  deliver(bytes: string): void {
    if (this.#closing) return
    this.reply.out += bytes
    if (this.#serving) this.#delivered += bytes
    // At once, so that what others' requests bring is measured against the limit as it grows.
    else if (this.reply.out.length >= FLUSH_AT) this.flush()
    else this.#queueFlush()
  }

  close(): void {
    if (this.#closing) return
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

  whenDrained(callback: () => void): void {
    this.#onDrained.push(callback)
    this.#queueFlush()
  }

  /** Hands what has been written to the socket. */
  flush(): void {
    this.#queued = false
    if (this.#gone) return
    if (this.reply.out !== '') {
      const out = this.reply.take()
      this.server.stats.outputBytes += out.length
      this.#socket.write(out, 'latin1')
      this.checkOutput()
    }
    if (this.#closing) this.#socket.end()
    else if (this.#onDrained.length > 0 && this.#socket.writableLength === 0) {
      queueMicrotask(() => this.#callDrained())
    }
  }

  /** Disconnects the client if it leaves too much output unread, or takes too long to go. */
  checkOutput(): void {
    const listens = this.channelCount + this.patternCount > 0 || this.monitor
    const limit = this.server.config.get('client-output-buffer-limit')[
      listens ? 'pubsub' : 'normal'
    ]
    const unread = this.#socket.writableLength
    const now = this.server.clock.now()
    const reason = this.#limit.check(unread, limit, now)
    if (reason !== undefined) {
      this.server.stats.outputLimitDisconnections++
      this.disconnect(reason)
    } else if (this.#closing && now - this.#closingSince > CLOSING_GRACE) {
      this.#socket.destroy()
    }
  }

  /** Called every second. */
  survey(): void {
    this.checkOutput()
    // A paused socket does not tell that its client has gone: read on, a little.
    if (this.blocked && this.#socket.isPaused()) this.#socket.resume()
  }

  /** Ends the connection without waiting for anything. */
  destroy(): void {
    this.#socket.destroy()
  }

  #onData(chunk: Buffer): void {
    this.server.stats.inputBytes += chunk.length
    this.lastRequestAt = this.server.clock.now()
    this.#serve(() => this.#reader.push(chunk))
    // A client that waits may go on sending; what it sends is not read until it is served again.
    if (this.blocked && this.bufferedInput > UNREAD_PAUSE) this.#socket.pause()
  }

  #needsPassword(): boolean {
    return !this.authenticated && this.server.config.get('requirepass') !== ''
  }

  #serve(read: () => void): void {
    if (this.#gone) return
    this.#serving = true
    this.#turnEnd = performance.now() + TURN
    try {
      read()
    } finally {
      this.#serving = false
      this.flush()
      this.#waitIfUnread()
      if (!this.#halted && this.#socket.isPaused()) this.#socket.resume()
      if (!this.#halted && this.#ended) this.close()
      this.server.afterRequests()
    }
  }

  get #halted(): boolean {
    return this.blocked || this.#waiting || this.#yielding
  }

  #goOn(): void {
    if (!this.#halted) this.#serve(() => this.#reader.resume())
  }

  #queueFlush(): void {
    if (this.#serving || this.#queued) return
    this.#queued = true
    this.server.queueFlush(this)
  }

  /** What it does not read it shall not ask for: unread replies would pile up without end. */
  #waitIfUnread(): void {
    if (this.#closing || this.#socket.writableLength <= UNREAD_PAUSE) return
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
    this.server.unsubscribe(this)
  }

  #onClose(): void {
    this.#gone = true
    this.#closing = true
    this.#reader.destroy()
    this.reply.take()
    this.#leave()
    this.server.remove(this)
  }
}

/** The two words that HTTP requests of a browser hold: such a page must not write to the tree. */
function isHttp(word: string): boolean {
  if (word.length !== 4 && word.length !== 5) return false
  const lower = word.toLowerCase()
  return lower === 'post' || lower === 'host:'
}
