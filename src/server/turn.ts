import type { Subscriptions } from '../pubsub/subscriptions.ts'
import type { ServerClock } from '../request/clock.ts'
import type { Accountable } from '../request/guard.ts'
import type { FrameDecoder } from '../resp/frame-decoder.ts'
import { RequestBatch } from '../resp/request-batch.ts'
import type { Store } from '../store/store.ts'
import { Yielded } from './yielded.ts'

/** More input than this is not gathered, because a batch should stay in the processor's cache. */
const MAX_GATHERED_BYTES = 16 * 1024
/** Longer chunks bypass the shared buffer. */
const MAX_COPIED_BYTES = 4096
/** Chunks up to this length are copied byte by byte, which takes less time than a call. */
const MAX_BYTEWISE_COPY_BYTES = 64
/** Once a turn has received so much, a client that goes on to send is not read from again in it. */
const MAX_RECEIVED_BYTES = 1024 * 1024
/** One that has sent less in a row has not shown that it goes on: each chunk of a TLS socket looks like a full buffer. */
const MIN_RUN_BYTES = 64 * 1024
/** And so many of those clients are read from in the next turn. */
const MAX_RESUMED = 4
/** While requests are served, replies are sent at least this often. */
const MAX_FLUSH_INTERVAL_MS = 2
/** Replies are sent after this many turns in a row that accepted a connection. */
const MAX_ACCEPTING_TURNS = 64
/** Or when connections have been accepted for so long: a turn with busy clients may take 200 ms. */
const MAX_ACCEPTING_MS = 10

/** A connection, as the turn serves it. */
export interface TurnClient extends Accountable {
  /** Bytes received and not served yet. */
  readonly bufferedInput: number
  /** Keeps long input until others have been served. @returns false if it is to be taken at once */
  yieldWith(bytes: Buffer, length: number): boolean
  /** Decodes input, like `RequestReader.take`. */
  take(bytes: Buffer, start: number, end: number, batch: RequestBatch): void
  /** Serves the requests decoded by {@link TurnClient.take}. */
  serveTaken(): void
  /** Sends the replies. */
  flush(): void
  /** Reads from the socket, unless the client is {@link Turn.rests resting} or something else keeps it from that. */
  readOrPause(): void
}

/** What keeps the writes of a turn. */
export interface TurnLog {
  /** Whether replies wait for the disk, which should be asked once a turn. */
  readonly waitsForDisk: boolean
  /** Keeps the writes; called before replies and messages are sent. */
  commit(): void
}

/**
 * One turn of the event loop: gathers the input of all sockets, serves it, and sends the replies. An
 * unexpected error ends the connection that it comes from; the other clients of the turn are served.
 *
 * Problem: reading, serving and writing for one client after the other evicts code and data from the
 * processor's caches every time.
 * Trick: first all input is decoded, then all paths are looked up side by side, then all requests are
 * served, then all replies are sent:
 *
 *     receive A · receive B · receive C ─▶ decode ABC ─▶ look ahead ABC ─▶ serve A, B, C ─▶ flush A, B, C
 *
 * Price: input is copied once, and a reply waits up to {@link MAX_FLUSH_INTERVAL_MS} for others.
 * Gain: see "Tricks" in bench/HISTORY.md.
 * Can be deleted by serving in {@link Turn.receive} and flushing after it.
 */
export class Turn {
  /** The clients that go on in later turns. */
  readonly yielded: Yielded
  readonly #store: Store
  readonly #clock: ServerClock
  readonly #decoder: FrameDecoder
  readonly #pubsub: Subscriptions
  readonly #onServed: () => void
  readonly #log: TurnLog
  readonly #server: Accountable
  readonly #bytes = Buffer.allocUnsafeSlow(MAX_GATHERED_BYTES)
  #length = 0
  /** The clients whose input was gathered. */
  #senders: TurnClient[] = []
  /** The offset at which the input of each sender ends. */
  #ends: number[] = []
  readonly #batch = new RequestBatch()
  /** The bytes received in this turn. */
  #received = 0
  /** The client that was read last, and the bytes that it has sent in a row. */
  #lastSender: TurnClient | undefined
  #run = 0
  /** The clients that are not read from until a later turn. */
  readonly #resting = new Set<TurnClient>()
  /** The clients with replies to send. */
  #dirty: TurnClient[] = []
  #flushScheduled = false
  #flushes = 0
  /** When replies were last sent, in milliseconds since the process began. */
  #flushedAt = 0
  /** Whether this turn has accepted a connection. */
  #accepted = false
  /** Count of the turns in a row before this one that accepted a connection. */
  #acceptingTurns = 0
  /** When the first of these turns accepted its connection, or this one, in milliseconds since the process began. */
  #acceptingSince = 0

  /**
   * @param decoder shared by all connections
   * @param onServed called when requests have been served
   * @param server answers for errors that are no client's
   */
  constructor(
    store: Store,
    clock: ServerClock,
    decoder: FrameDecoder,
    pubsub: Subscriptions,
    onServed: () => void,
    log: TurnLog,
    server: Accountable,
  ) {
    this.#store = store
    this.#clock = clock
    this.yielded = new Yielded(clock)
    this.#decoder = decoder
    this.#pubsub = pubsub
    this.#onServed = onServed
    this.#log = log
    this.#server = server
  }

  /**
   * Takes a client's input, to be served at the end of the turn or earlier.
   *
   * @param bytes memory that the caller may overwrite after the call
   * @param length count of the bytes to take, from the first on
   */
  receive(sender: TurnClient, bytes: Buffer, length: number): void {
    this.scheduleFlush()
    try {
      // The end of a long request is short, too, and may take as long as all of it.
      const isLong = length > MAX_COPIED_BYTES || sender.bufferedInput > MAX_COPIED_BYTES
      if (isLong || this.#length + length > MAX_GATHERED_BYTES) this.serve()
      if (!isLong) this.#gather(sender, bytes, length)
      else if (!this.yielded.busy || !sender.yieldWith(bytes, length)) {
        this.#serveAll([sender], [length], bytes, length)
      }
    } catch (error) {
      sender.fail(error)
    }
    this.#received += length
    this.#run = this.#lastSender === sender ? this.#run + length : length
    this.#lastSender = sender
    if (length < bytes.length || this.#received <= MAX_RECEIVED_BYTES) return
    // libuv reads a socket up to 32 times in a row, and all sockets before others are served.
    if (this.#run < MIN_RUN_BYTES) return
    this.#resting.add(sender)
    sender.readOrPause()
  }

  /** Whether a client is not to be read from, because this turn has received much, and so have those before it. */
  rests(client: TurnClient): boolean {
    return this.#resting.size > 0 && this.#resting.has(client)
  }

  #readOn(): void {
    let count = 0
    for (const client of this.#resting) {
      if (count++ === MAX_RESUMED) {
        this.scheduleFlush()
        return
      }
      this.#resting.delete(client)
      client.readOrPause()
    }
  }

  #gather(sender: TurnClient, bytes: Buffer, length: number): void {
    const start = this.#length
    if (length > MAX_BYTEWISE_COPY_BYTES) bytes.copy(this.#bytes, start, 0, length)
    else for (let i = 0; i < length; i++) this.#bytes[start + i] = bytes[i]
    this.#length += length
    this.#senders.push(sender)
    this.#ends.push(this.#length)
  }

  /**
   * Whether a client that may go on is to wait for its slice, because it has long input, and others have taken their time of
   * this turn: one event may wake hundreds of clients.
   */
  defers({ bufferedInput }: TurnClient): boolean {
    if (bufferedInput <= MAX_COPIED_BYTES || !this.yielded.busy) return false
    this.scheduleFlush()
    return true
  }

  /** Serves the input gathered so far. */
  serve(): void {
    const length = this.#length
    if (length === 0) return
    const senders = this.#senders
    const ends = this.#ends
    this.#senders = []
    this.#ends = []
    this.#length = 0
    this.#serveAll(senders, ends, this.#bytes, length)
  }

  /** Notes that this turn has accepted a connection. */
  accepted(): void {
    if (!this.#accepted && this.#acceptingTurns === 0) this.#acceptingSince = performance.now()
    this.#accepted = true
  }

  /** Queues a client's replies to be sent at the end of the turn, as Redis does. */
  queueFlush(client: TurnClient): void {
    this.#dirty.push(client)
    this.scheduleFlush()
  }

  /** Schedules {@link Turn.flush} for the end of the turn. */
  scheduleFlush(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    setImmediate(this.#end)
  }

  /** How often all replies and messages have been sent. */
  get flushes(): number {
    return this.#flushes
  }

  /** Sends all replies and messages now. */
  flush(): void {
    try {
      this.#log.commit()
      this.#pubsub.flush()
    } catch (error) {
      this.#server.fail(error)
    }
    const dirty = this.#dirty
    this.#dirty = []
    for (const client of dirty) {
      try {
        client.flush()
      } catch (error) {
        client.fail(error)
      }
    }
    this.#flushedAt = performance.now()
    this.#flushes++
  }

  readonly #end = (): void => {
    // libuv accepts one connection per turn, so flushing waits while connections are being accepted:
    // clients that get replies send more requests, and new connections would wait for those.
    if (
      this.#accepted &&
      this.#acceptingTurns < MAX_ACCEPTING_TURNS &&
      performance.now() - this.#acceptingSince < MAX_ACCEPTING_MS
    ) {
      this.#accepted = false
      this.#acceptingTurns++
      setImmediate(this.#end)
      return
    }
    const hasAccepted = this.#accepted
    this.#accepted = false
    this.#acceptingTurns = 0
    this.serve()
    this.yielded.serve(this.#flushIfLate, hasAccepted)
    this.#flushScheduled = false
    this.flush()
    this.yielded.endTurn()
    this.#received = this.#run = 0
    this.#lastSender = undefined
    this.#readOn()
    if (this.yielded.size > 0) this.scheduleFlush()
  }

  #serveAll(senders: TurnClient[], ends: number[], bytes: Buffer, length: number): void {
    const batch = this.#batch
    this.#decoder.refill(bytes, length)
    batch.clear(bytes)
    let start = 0
    for (let i = 0; i < senders.length; i++) {
      const sender = senders[i]
      try {
        sender.take(bytes, start, ends[i], batch)
      } catch (error) {
        sender.fail(error)
      }
      start = ends[i]
    }
    try {
      this.#store.lookAhead(batch)
    } catch (error) {
      this.#server.fail(error)
    }
    this.#clock.begin()
    for (const sender of senders) {
      try {
        sender.serveTaken()
      } catch (error) {
        sender.fail(error)
      }
    }
    this.#clock.end()
    try {
      this.#onServed()
    } catch (error) {
      this.#server.fail(error)
    }
    this.#flushIfLate()
  }

  /** Sends replies in the middle of a long turn, unless the disk is slower, or connections are accepted since just now. */
  readonly #flushIfLate = (): void => {
    if (this.#log.waitsForDisk) return
    const now = this.#clock.lastLap
    if (now - this.#flushedAt <= MAX_FLUSH_INTERVAL_MS) return
    const accepting = this.#accepted || this.#acceptingTurns > 0
    if (!accepting || now - this.#acceptingSince >= MAX_ACCEPTING_MS) this.flush()
  }
}
