import type { Socket } from 'node:net'
import type { User } from '../access/user.ts'
import { type Client, endTransaction, limitKept } from '../request/client.ts'
import { guarded, takeSteps } from '../request/guard.ts'
import { isHttp } from '../resp/http-request.ts'
import type { ReplyWriter } from '../resp/reply-writer.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import type { RequestBatch } from '../resp/request-batch.ts'
import { type RequestHandler, RequestReader } from '../resp/request-reader.ts'
import { type KeepingClient, MIN_WAITING_BYTES, type ReferringReplies } from './client-memory.ts'
import type { ConnectionContext } from './connection-context.ts'
import { Drained } from './drained.ts'
import { Ending } from './ending.ts'
import { Output, type OutputOwner } from './output.ts'
import { type MessageBytes, OwnMessages, writeMessage } from './own-messages.ts'
import type { Peer } from './peer.ts'
import { MAX_BLOCKED_INPUT_BYTES, PostponedRequest } from './postponed-request.ts'
import { Session } from './session.ts'
import { shareInput } from './socket/input.ts'
import type { TurnClient } from './turn.ts'
import { UnreadReplies } from './unread-replies.ts'
import type { YieldingClient } from './yielded.ts'

/** One client's connection: serves its requests in order and sends its replies in order. */
export class Connection
  extends Session
  implements Client, RequestHandler, TurnClient, YieldingClient, OutputOwner, KeepingClient
{
  readonly reply: ReplyWriter
  readonly #context: ConnectionContext
  readonly #socket: Socket
  readonly #output: Output
  readonly #ending: Ending
  readonly #reader: RequestReader
  /** Requests are being served; their replies are gathered and sent later. */
  #serving = false
  #flushQueued = false
  #closing = false
  #gone = false
  /** Called if the client leaves while it is blocked; present only then. */
  #onGone: (() => void) | undefined
  /** Backpressure: whether the client has to read its replies before more requests are served. */
  readonly unread: UnreadReplies
  /** The client has yielded its turn to the others. */
  #yielding = false
  /** When the client's turn ends, in milliseconds since the process began. */
  #turnEnd = 0
  readonly #messages: OwnMessages
  readonly #postponed = new PostponedRequest()
  readonly #drained = new Drained()

  constructor(context: ConnectionContext, socket: Socket, id: number, peer: Peer, user?: User) {
    super(context, id, peer, user)
    this.#context = context
    this.#reader = new RequestReader(this, context.requestLimits, context.frameDecoder)
    this.#reader.unauthenticated = this.needsPassword
    const { turn } = context
    this.#socket = shareInput(socket, (bytes, length) => turn.receive(this, bytes, length))
    this.#output = new Output(context, this, this.#socket)
    this.#ending = new Ending(this.#socket, this.#output)
    this.reply = this.#output.reply
    this.#messages = new OwnMessages(this.reply, this)
    this.unread = new UnreadReplies(this.#output, context.clientMemory, context.requestLimits)
    const onEnd = guarded(this, () => this.#onEnd())
    this.#socket.on('end', onEnd)
    this.#socket.on('error', (error) => this.logTrouble(error))
    this.#socket.on('close', () => this.#onClose())
  }

  get blocked(): boolean {
    return this.#onGone !== undefined
  }

  get bufferedInput(): number {
    return this.#reader.bufferedBytes + this.#postponed.bytes
  }

  get bufferedOutput(): number {
    return this.#output.unsentBytes
  }

  get aheadBytes(): number {
    return this.#output.aheadBytes
  }

  get keptBytes(): number {
    return this.#output.ownBytes + this.bufferedInput + this.owedBytes + this.askedBytes
  }

  get heapBytes(): number {
    return this.#reader.heapBytes + this.#postponed.bytes + this.#output.heapBytes + this.askedHeap
  }

  get replies(): ReferringReplies {
    return this.#output
  }

  get closing(): boolean {
    return this.#closing
  }

  get yielding(): boolean {
    return this.#yielding
  }

  yieldWith(bytes: Buffer, length: number): boolean {
    if (this.#halted || this.#serving || this.#closing) return false
    this.#yieldTurn()
    this.take(bytes, 0, length)
    this.#reader.deliver()
    this.#context.turn.yielded.add(this)
    return true
  }

  take(bytes: Buffer, start: number, end: number, batch?: RequestBatch): void {
    if (this.#gone) return
    this.server.stats.inputBytes += end - start
    this.receivedBytes += end - start
    this.#reader.take(bytes, start, end, batch)
    if (this.bufferedInput <= MIN_WAITING_BYTES) return
    if (this.#context.clientMemory.noteWaiting(end - start)) this.#context.onWaiting()
  }

  serveTaken(): void {
    if (this.#gone) return
    this.lastRequestAt = this.server.clock.elapsed()
    this.#begin()
    try {
      this.#reader.deliver()
    } finally {
      this.#finish()
    }
  }

  serveSlice(): void {
    this.#yielding = false
    this.#goOn()
    this.readOrPause()
  }

  onRequest(args: RequestArguments): void {
    if (this.#closing) return
    this.reply.muted = this.replyMode !== 'on'
    if (this.replyMode === 'skip') this.replyMode = 'on'
    if (isHttp(args[0])) {
      this.logHttp()
      this.#cutOff()
      return
    }
    const { persistence } = this.server
    const writesBefore = persistence.writes
    const start = this.reply.length
    this.#context.dispatcher.dispatch(this, args)
    if (persistence.writes !== writesBefore && persistence.recorder.active) {
      // Messages that the command delivered are no part of its reply.
      if (this.#messages.some) this.#output.noteWrites(this.#messages.replyRanges(start))
      else this.#output.noteWrite(start, this.reply.length)
    }
    if (this.#messages.some) this.#messages.afterCommand()
    this.#reader.unauthenticated = this.needsPassword
    if (this.reply.isDue) {
      this.flush()
      this.#waitIfUnread()
    }
    if (this.server.clock.lastLap > this.#turnEnd) this.#yieldRest()
  }

  onBatch(batch: RequestBatch): void {
    this.server.store.lookAhead(batch)
  }

  onProtocolError(message: string): void {
    if (this.owed > 0) {
      this.onSettled = () => this.onProtocolError(message)
      return
    }
    this.refuseInput(this.reply, message)
    this.close()
  }

  onOverflow(): void {
    this.disconnect('a request is larger than client-query-buffer-limit')
  }

  mayGet(length: number): boolean {
    return !this.#closing && this.#output.hasRoomFor(length)
  }

  limitKept(): boolean {
    return limitKept(this)
  }

  deliver(message: MessageBytes): void {
    if (this.#closing) return
    if (this.executing) this.#messages.defer(message)
    else if (this.#serving) this.#messages.deliver(message)
    else {
      writeMessage(this.reply, message)
      // An early flush measures the messages of other clients' requests against the output limit.
      if (this.reply.isDue) this.#output.flushMessages()
      this.#queueFlush()
    }
  }

  deliverShared(bytes: Buffer): void {
    const { persistence } = this.server
    persistence.append()
    const waits = this.#serving || this.executing || this.reply.length > 0 || this.#output.holds
    if (waits || this.#closing || persistence.holding) this.deliver(bytes)
    else this.#output.send(bytes)
  }

  close(): void {
    if (this.#closing) return
    if (this.channels.size > 0) this.server.pubsub.flushFor(this)
    this.#closing = true
    this.#ending.begin(this.server.clock.elapsed())
    this.#leave()
    this.#queueFlush()
  }

  drop(): void {
    if (!this.#serving && this.owed === 0) this.#ending.drop()
    this.close()
    this.#queueFlush()
  }

  disconnect(reason: string): void {
    this.logEnd(reason)
    this.#cutOff()
  }

  fail(error: unknown): void {
    this.logFailure(error)
    this.#cutOff()
  }

  block(onGone: () => void): () => void {
    this.#onGone = onGone
    this.#reader.pause()
    return guarded(this, () => {
      this.#onGone = undefined
      this.#queueFlush()
      this.#goOnSoon()
    })
  }

  postpone(args: RequestArguments, onGone: () => void, onOver?: () => void): () => void {
    this.#postponed.put(args, this, onOver)
    return this.block(onGone)
  }

  putOff(args: RequestArguments): void {
    this.#postponed.put(args, this)
    this.#yieldTurn()
    this.server.longWork.later(guarded(this, () => this.serveSlice()))
  }

  answer(muted: boolean, run: () => void): boolean {
    if (this.#closing) return false
    const { clock } = this.server
    clock.begin()
    this.#begin()
    this.reply.muted = muted
    try {
      run()
      if (this.#messages.some) this.#messages.afterCommand()
    } finally {
      clock.end()
      this.#finish()
    }
    return true
  }

  whenDrained(callback: () => void): void {
    this.#drained.callbacks.push(callback)
    this.#queueFlush()
  }

  flush(): void {
    this.#flushQueued = false
    if (this.#gone) return
    this.#output.flush()
    if (this.#closing) this.#ending.proceed()
    else if (!this.#output.holds && this.#output.isDrained) this.#drained.callSoon(this)
  }

  onSent(): void {
    this.flush()
    if (this.#output.isDrained && this.unread.end()) this.#goOnSoon()
  }

  /** Checks the limits on output and on closing. Called every second. */
  survey(): void {
    this.#output.check()
    const now = this.server.clock.elapsed()
    this.#ending.survey(now)
    // A client that reads a long reply is not idle (Redis).
    if (this.unread.survey() && !this.listens) this.lastRequestAt = now
    // A paused socket does not report that its client has gone, so it is read from a little.
    if (this.blocked && this.#socket.isPaused()) this.#socket.resume()
    else this.readOrPause()
  }

  /** Ends the connection at once, and drops unsent replies. */
  destroy(): void {
    this.#socket.destroy()
  }

  #begin(): void {
    const { pubsub } = this.server
    // Messages of earlier requests come before the replies to these.
    if (this.channels.size > 0) pubsub.flushFor(this)
    pubsub.served = this
    this.#serving = true
    this.#turnEnd = this.#context.turn.yielded.sliceEnd()
  }

  #finish(): void {
    this.server.pubsub.served = undefined
    this.#serving = false
    this.server.persistence.appendIfLong()
    // Replies wait for the end of the turn, because a client that gets its reply wakes up and
    // takes processor time from the clients still to be served.
    this.#queueFlush()
    this.#waitIfUnread()
    this.readOrPause()
    this.#closeIfEnded()
  }

  /** Serves further requests, but not now, because another client's command may be calling. */
  #goOnSoon(): void {
    const goOn = (): void => (this.#context.turn.defers(this) ? this.#yieldRest() : this.#goOn())
    queueMicrotask(guarded(this, goOn))
  }

  get #halted(): boolean {
    return this.blocked || this.unread.waits || this.#yielding
  }

  /** Serves the requests received so far, unless the client is still halted. */
  #goOn(): void {
    if (this.#halted || this.#gone) return
    const { clock } = this.server
    clock.begin()
    this.#begin()
    try {
      this.#postponed.serve(this)
      if (!this.#halted) this.#reader.resume()
    } finally {
      clock.end()
      this.#finish()
      this.#context.onServed()
    }
  }

  #queueFlush(): void {
    if (this.#serving || this.#flushQueued) return
    this.#flushQueued = true
    this.#context.turn.queueFlush(this)
  }

  /**
   * Pauses the socket only when the input that waits reaches a limit: a paused socket does not report
   * that its client has gone, and a client may write all its requests before it reads a reply.
   */
  readOrPause(): void {
    if (this.#yielding) return
    let reads = !this.#context.turn.rests(this)
    if (this.blocked) reads &&= this.bufferedInput <= MAX_BLOCKED_INPUT_BYTES
    else if (this.unread.waits && !this.#closing) reads &&= this.unread.admits(this.bufferedInput)
    if (reads !== this.#socket.isPaused()) return
    if (reads) this.#socket.resume()
    else this.#socket.pause()
  }

  #waitIfUnread(): void {
    if (this.#closing) return
    if (!this.unread.begin(this.bufferedOutput)) return
    this.#reader.pause()
    this.#postponed.lapse()
  }

  /** Requests that have come wait until others have been served. */
  #yieldTurn(): void {
    this.#yielding = true
    this.#reader.pause()
    this.#socket.pause()
  }

  #yieldRest(): void {
    // A blocked client does not yield, because yielding would hide that it hangs up.
    if (this.blocked || this.#yielding || this.#gone || this.bufferedInput === 0) return
    this.#yieldTurn()
    this.#context.turn.yielded.add(this)
  }

  #onEnd(): void {
    this.#context.turn.serve()
    this.#ending.halfClosed = true
    this.#closeIfEnded()
  }

  /**
   * Closes the connection of a client that has half-closed it. A blocked client that does is gone; one that
   * yielded its turn, or has yet to read or get its replies, is still owed the others.
   */
  #closeIfEnded(): void {
    if (!this.#ending.halfClosed || this.owed > 0) return
    if (this.blocked || !(this.#halted || this.#postponed.bytes > 0)) this.close()
  }

  /** Cancels all that the client has asked for: waits, watches, subscriptions, its transaction. */
  #leave(): void {
    this.#reader.destroy()
    const onGone = this.#onGone
    this.#onGone = undefined
    this.#drained.callbacks = []
    takeSteps(
      this,
      () => this.#postponed.drop(),
      () => onGone?.(),
      () => endTransaction(this),
      () => this.server.pubsub.drop(this),
      () => this.server.monitors.delete(this),
    )
  }

  /** Ends the connection at once. No more messages are made for it. */
  #cutOff(): void {
    this.#closing = true
    this.#reader.destroy()
    this.#socket.destroy()
    this.server.pubsub.drop(this)
  }

  #onClose(): void {
    takeSteps(
      this,
      () => this.#context.turn.serve(),
      () => {
        this.#gone = this.#closing = true
      },
      () => this.#output.close(),
      () => this.#leave(),
      () => this.#context.onClosed(this.id),
    )
  }
}
