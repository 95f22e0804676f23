import type { Socket } from 'node:net'
import { isLoopback } from '../access/loopback.ts'
import type { Subscriber } from '../pubsub/subscriber.ts'
import { endTransaction } from '../request/client.ts'
import type { Transaction } from '../request/transaction.ts'
import type { WatchedKeys } from '../request/watched-keys.ts'
import { isHttp } from '../resp/http-request.ts'
import { ReplyWriter } from '../resp/reply-writer.ts'
import type { RequestBatch } from '../resp/request-batch.ts'
import { type RequestHandler, RequestReader } from '../resp/request-reader.ts'
import { OutputLimitGuard } from './output-limit.ts'
import type { Server } from './server.ts'
import { shareInput } from './socket/input.ts'
import { DirectOutput } from './socket/output.ts'
import type { Requester } from './turn.ts'

/** Replies of one burst are handed to the socket when they reach so many bytes. */
const FLUSH_AT = 256 * 1024
/** A client that has so many bytes of replies unread is not served until it has read them. */
const UNREAD_PAUSE = 1024 * 1024
/** How long a connection that is being closed may take to read its last replies, in ms. */
const CLOSING_GRACE = 5000
/** After so many milliseconds of one client's pipelined requests it is the turn of others. */
const TURN = 10

/** Messages that a client gets by its own EXEC wait for its end up to so many bytes. */
const MAX_DEFERRED = 64 * 1024 * 1024

/** What a write is answered with whose commit has failed. */
const UNSAVED = Buffer.from(
  '-MISCONF the write was made, but could not be put on disk yet: it is lost if the server ends now\r\n',
)

/** Output that waits for the disk. */
interface HeldOutput {
  /** The commit that it waits for. */
  readonly commit: number
  readonly bytes: Buffer
  /** Where the replies to writes begin and end in it, in turn. */
  readonly writes: readonly number[]
}

/** One connected client: its socket, its requests in order, its replies in order. */
export class Connection implements Subscriber, RequestHandler, Requester {
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
  transaction: Transaction | undefined
  watched: WatchedKeys | undefined
  executing = false
  monitor = false
  noEvict = false
  noTouch = false
  replyMode: 'on' | 'off' | 'skip' = 'on'
  readonly #socket: Socket
  readonly #output: DirectOutput
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
  #delivered: Uint8Array[] = []
  #deliveredBytes = 0
  /** What was delivered in the middle of EXEC: it must not get in between the parts of its reply. */
  #deferred: Uint8Array[] = []
  #deferredBytes = 0
  /** The request that is to be served when the client goes on. */
  #postponed: string[] | undefined
  #onDrained: (() => void)[] = []
  #held: HeldOutput[] = []
  #heldBytes = 0
  /** Where in `reply` the replies to writes begin and end, in turn, while they may be held. */
  #writes: number[] = []

  constructor(server: Server, socket: Socket, id: number, address: string, localAddress: string) {
    this.server = server
    this.id = id
    this.address = address
    this.localAddress = localAddress
    this.createdAt = this.lastRequestAt = server.clock.now()
    this.authenticated = server.config.get('requirepass') === ''
    this.#reader = new RequestReader(this, server.requestLimits, server.frameDecoder)
    this.#reader.unauthenticated = this.#needsPassword()
    this.#socket = shareInput(socket, (bytes, length) => server.receive(this, bytes, length))
    this.#output = new DirectOutput(this.#socket)
    this.#socket.on('drain', () => this.#onDrain())
    this.#socket.on('end', () => this.#onEnd())
    this.#socket.on('error', (error) =>
      server.logger.debug({ err: error, client: this.id }, 'connection failed'),
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
    return this.#socket.writableLength + this.reply.length + this.#heldBytes
  }

  get isLocal(): boolean {
    return this.address.endsWith(':0') || isLoopback(this.address.replace('[', ''))
  }

  get channelCount(): number {
    return this.channels.size
  }

  get patternCount(): number {
    return this.patterns.size
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
    this.server.dispatcher.dispatch(this, args)
    if (persistence.writes !== writesBefore && persistence.holding) {
      // What was delivered meanwhile stands before the reply, and is none.
      this.#writes.push(start + this.#deliveredBytes, this.reply.length)
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
    this.#reader.unauthenticated = this.#needsPassword()
    if (this.reply.length >= FLUSH_AT) {
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
      if (this.#deferredBytes > MAX_DEFERRED) {
        this.disconnect(`its own EXEC has brought it more than ${MAX_DEFERRED} bytes of messages`)
      }
      return
    }
    this.reply.append(bytes)
    if (this.#serving) {
      this.#delivered.push(bytes)
      this.#deliveredBytes += bytes.length
    }
    // At once, so that what others' requests bring is measured against the limit as it grows.
    else if (this.reply.length >= FLUSH_AT) this.flush()
    else this.#queueFlush()
  }

  deliverShared(bytes: Buffer): void {
    const { persistence } = this.server
    const waits = this.#serving || this.executing || this.reply.length > 0 || this.#held.length > 0
    if (waits || this.#closing || persistence.holding) this.deliver(bytes)
    else this.#send(bytes)
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

  /** Hands what has been written to the socket. */
  flush(): void {
    this.#queued = false
    if (this.#gone) return
    if (this.reply.length > 0) {
      const { persistence } = this.server
      if (this.#held.length > 0 || persistence.holding) this.#hold()
      else this.#sendReplies()
    }
    if (this.#held.length > 0) return
    if (this.#closing) this.#socket.end()
    else if (this.#onDrained.length > 0 && this.#socket.writableLength === 0) {
      queueMicrotask(() => this.#callDrained())
    }
  }

  /** Sends what has waited for a commit, or an earlier one. */
  release(commit: number): void {
    const kept = this.#held.findIndex((held) => held.commit > commit)
    const released = this.#held.splice(0, kept < 0 ? this.#held.length : kept)
    for (const { bytes } of released) {
      this.#heldBytes -= bytes.length
      this.#send(bytes)
    }
    this.#afterRelease()
  }

  /** Sends what has waited for a commit that has failed: writes are answered by an error. */
  releaseUnsaved(): void {
    const held = this.#held
    this.#held = []
    this.#heldBytes = 0
    for (const { bytes, writes } of held) this.#send(withUnsaved(bytes, writes))
    this.#afterRelease()
  }

  #append(all: readonly Uint8Array[]): void {
    for (const bytes of all) this.reply.append(bytes)
  }

  #sendReplies(): void {
    const { reply } = this
    const writes = this.#writes
    if (writes.length > 0) this.#writes = []
    // The commit may have failed between the request and now.
    if (writes.length > 0 && this.server.persistence.failure !== undefined) {
      this.#send(withUnsaved(reply.bytes, writes))
      reply.clear()
      return
    }
    if (this.#socket.writableLength > 0) {
      // It will wait behind what waits already, and shall not take more memory than its length.
      this.#send(Buffer.from(reply.bytes))
      reply.clear()
      return
    }
    this.#send(reply.memory, reply.length)
    // What the system has not taken, the socket still reads from.
    if (this.#socket.writableLength === 0) reply.clear()
    else reply.handOver()
  }

  /** @param length how many of the bytes, from the first on */
  #send(bytes: Buffer, length = bytes.length): void {
    if (this.#gone) return
    this.server.stats.outputBytes += length
    const written = this.#output.write(bytes, length)
    if (written < length) this.#socket.write(bytes.subarray(written, length))
    // Most is sent at once, and there is nothing to check.
    if (this.#socket.writableLength > 0 || this.#limit.isOver || this.#closing) this.checkOutput()
  }

  /** Keeps what is to be sent until the disk has what it tells of. */
  #hold(): void {
    const { reply } = this
    const commit = this.server.persistence.coveringCommit
    this.#held.push({ commit, bytes: Buffer.from(reply.bytes), writes: this.#writes })
    this.#heldBytes += reply.length
    reply.clear()
    this.#writes = []
    this.server.hold(this)
    this.checkOutput()
  }

  #afterRelease(): void {
    if (this.#held.length > 0) return
    this.server.unhold(this)
    this.flush()
    if (this.#waiting && !this.#socket.writableNeedDrain) this.#onDrain()
  }

  /** Disconnects the client if it leaves too much output unread, or takes too long to go. */
  checkOutput(): void {
    const listens = this.channelCount + this.patternCount > 0 || this.monitor
    const limit = this.server.config.get('client-output-buffer-limit')[
      listens ? 'pubsub' : 'normal'
    ]
    const unread = this.bufferedOutput
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

  #needsPassword(): boolean {
    return !this.authenticated && this.server.config.get('requirepass') !== ''
  }

  /** Called before requests are served. */
  #begin(): void {
    const { clock, pubsub } = this.server
    // What it is owed comes before what it gets now.
    if (this.channels.size > 0) pubsub.flush()
    pubsub.served = this
    this.#serving = true
    this.#turnEnd = clock.lastLap + TURN
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
      this.server.afterRequests()
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
    this.server.queueFlush(this)
  }

  /**
   * Whoever waits for an event may go on sending, up to a limit, and is read on: a paused socket
   * does not tell that its client has gone.
   */
  #readOrPause(): void {
    if (this.#waiting || this.#yielding) return
    const reads = !this.blocked || this.bufferedInput <= UNREAD_PAUSE
    if (reads === this.#socket.isPaused()) {
      if (reads) this.#socket.resume()
      else this.#socket.pause()
    }
  }

  /** What it does not read it shall not ask for: unread replies would pile up without end. */
  #waitIfUnread(): void {
    if (this.#closing || this.bufferedOutput <= UNREAD_PAUSE) return
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
    this.server.serveReceived()
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
    this.server.unsubscribe(this)
  }

  #onClose(): void {
    this.server.serveReceived()
    this.#gone = true
    this.#closing = true
    this.#reader.destroy()
    this.reply.handOver()
    this.#held = []
    this.#heldBytes = 0
    this.server.unhold(this)
    this.#leave()
    this.server.remove(this)
  }
}

/**
 * Output in which an error stands for each reply to a write.
 *
 * @param writes where those replies begin and end, in turn
 */
function withUnsaved(bytes: Buffer, writes: readonly number[]): Buffer {
  const parts: Buffer[] = []
  let at = 0
  for (let i = 0; i < writes.length; i += 2) {
    parts.push(bytes.subarray(at, writes[i]))
    at = writes[i + 1]
    // A muted reply is none.
    if (at > writes[i]) parts.push(UNSAVED)
  }
  parts.push(bytes.subarray(at))
  return Buffer.concat(parts)
}
