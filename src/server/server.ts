import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { isLoopback } from '../access/loopback.ts'
import { commandTable } from '../commands/table.ts'
import { type Config, pathFromBytes } from '../config/config.ts'
import { Keyspace } from '../keyspace/keyspace.ts'
import { KeyspaceNotifier } from '../keyspace/notifier.ts'
import type { CommandStats, ServerStats } from '../metrics/counters.ts'
import { LatencyMonitor } from '../metrics/latency-monitor.ts'
import { MemoryGauge } from '../metrics/memory-gauge.ts'
import { SlowLog } from '../metrics/slow-log.ts'
import { Throughput } from '../metrics/throughput.ts'
import { Persistence } from '../persistence/persistence.ts'
import { Subscriptions } from '../pubsub/subscriptions.ts'
import type { ServerContext } from '../request/client.ts'
import { ServerClock } from '../request/clock.ts'
import { Dispatcher } from '../request/dispatcher.ts'
import { Pause } from '../request/pause.ts'
import type { Transaction } from '../request/transaction.ts'
import { FrameDecoder } from '../resp/frame-decoder.ts'
import { defaultRequestLimits, type RequestLimits } from '../resp/request-limits.ts'
import type { Clock } from '../store/clock.ts'
import { Store } from '../store/store.ts'
import { randomBytes } from '../text/random-bytes.ts'
import { Connection } from './connection.ts'
import { ExpiryTimer } from './expiry-timer.ts'
import { type Listeners, listen } from './listeners.ts'
import { Intake } from './turn.ts'

/** How often idle and slow connections are looked for, in milliseconds. */
const SURVEY_INTERVAL = 1000
/** While requests are served, replies are sent after so many milliseconds. */
const LONGEST_GATHERING = 2
/** So many turns of the event loop may bring new connections before replies are sent all the same. */
const MAX_ACCEPTING_TURNS = 64
/** How long connections may take to read their last replies when the server closes, in ms. */
const CLOSE_GRACE = 1000

const PROTECTED =
  '-DENIED ktree is running in protected mode: it has no password, and so serves only clients on ' +
  'the same machine. Set requirepass, or protected-mode no if you know that nobody else can ' +
  'reach the port.\r\n'

/** What a server is made of. */
export interface ServerParts {
  readonly config: Config
  readonly configFile: string | undefined
  readonly logger: Logger
  readonly clock: Clock
  /** The TCP port, 0 for a free one; undefined for none. */
  readonly listenPort: number | undefined
}

/** The server: its connections, and all that they share. */
export class Server implements ServerContext {
  readonly config: Config
  readonly configFile: string | undefined
  readonly logger: Logger
  readonly clock: ServerClock
  readonly store: Store
  readonly keyspace: Keyspace
  readonly pause: Pause
  readonly persistence: Persistence
  readonly pubsub: Subscriptions
  readonly throughput: Throughput
  readonly slowlog: SlowLog
  readonly latency: LatencyMonitor
  readonly memory = new MemoryGauge()
  readonly dispatcher: Dispatcher
  readonly requestLimits: RequestLimits
  readonly frameDecoder: FrameDecoder
  readonly stats: ServerStats = {
    connectionsReceived: 0,
    connectionsRejected: 0,
    commandsProcessed: 0,
    inputBytes: 0,
    outputBytes: 0,
    unexpectedErrors: 0,
    errorReplies: 0,
    errorCodes: new Map(),
    keyspaceHits: 0,
    keyspaceMisses: 0,
    outputLimitDisconnections: 0,
  }
  readonly commandStats = new Map<string, CommandStats>()
  readonly clients = new Map<number, Connection>()
  readonly monitors = new Set<Connection>()
  readonly startedAt: number
  readonly runId = randomBytes(20).toString('hex')
  /** Resolves when the server has closed, for whatever reason. */
  readonly closed: Promise<void>
  readonly #parts: ServerParts
  readonly #expiry: ExpiryTimer
  readonly #intake: Intake
  #listeners: Listeners | undefined
  #nextClientId = 1
  #dirty: Connection[] = []
  #flushScheduled = false
  /** When replies were last sent, in milliseconds since the process began. */
  #flushedAt = 0
  /** This turn of the event loop has brought a new connection; so many before it have, too. */
  #accepted = false
  #acceptingTurns = 0
  /** Those whose replies wait for the disk. */
  readonly #holding = new Set<Connection>()
  /** A change of where and how safely the data is kept, under way. */
  #persistenceChange: Promise<void> | undefined
  /** What one CONFIG SET changes, while it is at it: the values before. */
  #gathering: Partial<Record<'dir' | 'durability', string>> | undefined
  #restoring = false
  #cancelSurvey: (() => void) | undefined
  #closing = false
  #resolveClosed: () => void = () => {}
  #noClients: (() => void) | undefined

  constructor(parts: ServerParts) {
    this.#parts = parts
    this.config = parts.config
    this.configFile = parts.configFile
    this.logger = parts.logger
    this.clock = new ServerClock(parts.clock)
    this.startedAt = parts.clock.now()
    this.store = new Store({
      clock: this.clock,
      watchHistory: parts.config.get('watch-history'),
      watchHistoryMemory: parts.config.get('watch-history-memory'),
    })
    this.keyspace = new Keyspace(this.store, this.stats)
    this.pause = new Pause(this.clock, (paused) => {
      this.dispatcher.gate = paused ? this.pause : undefined
      this.#expiry.paused = paused
    })
    this.persistence = new Persistence({
      store: this.store,
      clock: parts.clock,
      logger: parts.logger,
      crashIndexGap: () => parts.config.get('crash-index-gap'),
      onCommit: (number) => {
        this.latency.add('commit', this.persistence.lastDuration ?? 0)
        for (const client of this.#holding) client.release(number)
      },
      onFailure: () => {
        for (const client of this.#holding) client.releaseUnsaved()
      },
    })
    this.pubsub = new Subscriptions(this.store, () => this.#scheduleFlush())
    this.throughput = new Throughput(this.stats, this.clock)
    this.slowlog = new SlowLog(parts.config, this.clock)
    this.latency = new LatencyMonitor(parts.config, this.clock)
    this.dispatcher = new Dispatcher(this, commandTable)
    this.requestLimits = { ...defaultRequestLimits }
    this.frameDecoder = new FrameDecoder(this.requestLimits)
    this.#intake = new Intake(this.store, this.clock, this.frameDecoder, () => {
      this.afterRequests()
      this.#flushIfLate()
    })
    this.#expiry = new ExpiryTimer(this.store, this.clock, (duration) => {
      this.latency.add('expire-cycle', duration)
      this.#flushDirty()
    })
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    this.#followConfig()
  }

  get port(): number {
    return this.#listeners?.port ?? 0
  }

  get addresses(): readonly string[] {
    return this.#listeners?.addresses ?? []
  }

  /**
   * Reads what is on disk, and begins to serve.
   *
   * @throws PersistenceError if the data cannot be read
   * @throws the system's error if an address cannot be listened on
   */
  async listen(): Promise<void> {
    const { config, persistence } = this
    await persistence.start(pathFromBytes(config.get('dir')), config.get('durability'))
    try {
      await this.#listen()
    } catch (error) {
      await persistence.close(false)
      throw error
    }
    this.#expiry.arm()
  }

  async #listen(): Promise<void> {
    this.#listeners = await listen(this.config, this.#parts.listenPort, (socket, unixPath) =>
      this.#accept(socket, unixPath),
    )
    this.#survey()
  }

  /**
   * Serves no one new, sends what is still to be sent, ends all connections, and puts the last
   * writes on disk.
   *
   * @param save false leaves out those writes
   * @returns a promise that resolves when nothing of the server is left
   */
  close(save = true): Promise<void> {
    if (this.#closing) return this.closed
    // What has come before is served, too.
    this.#intake.serve()
    if (this.pubsub.served === undefined) {
      for (const client of this.clients.values()) client.serveRest()
    }
    this.#closing = true
    this.#listeners?.close()
    this.#cancelSurvey?.()
    this.pause.finish()
    this.#expiry.stop()
    for (const client of this.clients.values()) client.close()
    this.#flushDirty()
    const overdue = setTimeout(() => {
      for (const client of this.clients.values()) client.destroy()
    }, CLOSE_GRACE)
    this.#noClients = () => {
      this.#noClients = undefined
      clearTimeout(overdue)
      this.#release(save)
    }
    if (this.clients.size === 0) this.#noClients()
    return this.closed
  }

  shutdown(save: boolean): void {
    this.close(save).catch((error: unknown) => this.logger.fatal({ err: error }, 'could not close'))
  }

  execute(client: Connection, transaction: Transaction): void {
    this.dispatcher.execute(client, transaction)
  }

  persistenceChange(): Promise<void> | undefined {
    // A change that another client has asked for is none of this one's business.
    return this.#gathering === undefined ? undefined : this.#persistenceChange
  }

  /** Called when a client has replies that wait for the disk. */
  hold(client: Connection): void {
    this.#holding.add(client)
  }

  /** Called when it has no more of them. */
  unhold(client: Connection): void {
    this.#holding.delete(client)
  }

  #release(save: boolean): void {
    const changed = this.#persistenceChange?.catch(() => {}) ?? Promise.resolve()
    changed
      .then(() => this.persistence.close(save))
      .catch((error: unknown) => this.logger.fatal({ err: error }, 'could not close the data'))
      .finally(() => {
        this.logger.info('closed')
        this.#resolveClosed()
      })
      .catch(() => {})
  }

  /** Called when a client is to get no more messages. */
  unsubscribe(client: Connection): void {
    this.pubsub.drop(client)
    this.monitors.delete(client)
  }

  /** Called when a client's connection has ended. */
  remove(client: Connection): void {
    this.clients.delete(client.id)
    if (this.clients.size === 0) this.#noClients?.()
  }

  /**
   * Takes what a client has sent: it is served when everything that has come by now has been read.
   *
   * @param bytes whose memory is the caller's again afterwards
   */
  receive(client: Connection, bytes: Buffer, length: number): void {
    this.#intake.add(client, bytes, length)
    this.#scheduleFlush()
  }

  /** Serves what has been received. */
  serveReceived(): void {
    this.#intake.serve()
  }

  /** Called when a burst of requests has been served. */
  afterRequests(): void {
    this.#expiry.arm()
  }

  /**
   * Has the client's output sent when all requests that have come by now are served, with that of
   * all others (as Redis does, before it sleeps).
   */
  queueFlush(client: Connection): void {
    this.#dirty.push(client)
    this.#scheduleFlush()
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    setImmediate(this.#flushAtEnd)
  }

  readonly #flushAtEnd = (): void => {
    // A turn accepts but one connection. Those still to be accepted would have to wait for what all the
    // others ask for as soon as they have their replies.
    if (this.#accepted && this.#acceptingTurns < MAX_ACCEPTING_TURNS) {
      this.#accepted = false
      this.#acceptingTurns++
      setImmediate(this.#flushAtEnd)
      return
    }
    this.#accepted = false
    this.#acceptingTurns = 0
    try {
      this.#intake.serve()
    } finally {
      this.#flushScheduled = false
    }
    this.#flushDirty()
  }

  /** In a long turn the first clients need not wait for the last; but see {@link Server.#flushAtEnd}. */
  #flushIfLate(): void {
    const late = this.clock.lastLap - this.#flushedAt > LONGEST_GATHERING
    if (late && !this.#accepted && this.#acceptingTurns === 0) this.#flushDirty()
  }

  #flushDirty(): void {
    this.pubsub.flush()
    const dirty = this.#dirty
    this.#dirty = []
    for (const client of dirty) client.flush()
    this.#flushedAt = performance.now()
  }

  #accept(socket: Socket, unixPath: string | undefined): void {
    this.stats.connectionsReceived++
    this.#accepted = true
    // Without a listener an error on a refused socket would end the process.
    socket.on('error', () => {})
    const refusal = this.#refusal(socket, unixPath)
    if (refusal !== undefined) {
      this.stats.connectionsRejected++
      socket.end(refusal, () => socket.destroy())
      return
    }
    const keepAlive = this.config.get('tcp-keepalive')
    if (unixPath === undefined && keepAlive > 0) socket.setKeepAlive(true, keepAlive * 1000)
    const remote =
      unixPath === undefined ? hostPort(socket.remoteAddress, socket.remotePort) : `${unixPath}:0`
    const local =
      unixPath === undefined ? hostPort(socket.localAddress, socket.localPort) : `${unixPath}:0`
    const client = new Connection(this, socket, this.#nextClientId++, remote, local)
    this.clients.set(client.id, client)
  }

  #refusal(socket: Socket, unixPath: string | undefined): string | undefined {
    if (this.clients.size >= this.config.get('maxclients')) {
      return '-ERR max number of clients reached\r\n'
    }
    const open = this.config.get('protected-mode') && this.config.get('requirepass') === ''
    if (open && unixPath === undefined && !isLoopback(socket.remoteAddress ?? '')) return PROTECTED
    return undefined
  }

  /** Every second: idle clients (`timeout`), slow readers, connections that take long to close. */
  #survey(): void {
    this.#cancelSurvey = this.clock.schedule(() => this.#survey(), SURVEY_INTERVAL)
    if (this.memory.limited) this.memory.survey()
    const idleSince = this.clock.now() - this.config.get('timeout') * 1000
    const idles = this.config.get('timeout') > 0
    for (const client of this.clients.values()) {
      client.survey()
      const busy = client.blocked || client.monitor || client.channelCount + client.patternCount > 0
      if (idles && !busy && client.lastRequestAt < idleSince) client.close()
    }
  }

  #followConfig(): void {
    const { config, requestLimits, store } = this
    requestLimits.maxBulkLength = config.get('proto-max-bulk-len')
    requestLimits.maxFrameLength = config.get('client-query-buffer-limit')
    config.onChange('proto-max-bulk-len', (bytes) => {
      requestLimits.maxBulkLength = bytes
    })
    config.onChange('client-query-buffer-limit', (bytes) => {
      requestLimits.maxFrameLength = bytes
    })
    this.memory.limit = config.get('maxmemory')
    config.onChange('maxmemory', (bytes) => {
      this.memory.limit = bytes
    })
    this.#followEventFlags(config.get('notify-keyspace-events'))
    config.onChange('notify-keyspace-events', (flags) => this.#followEventFlags(flags))
    const resize = (): void =>
      store.history.resize({
        events: config.get('watch-history'),
        bytes: config.get('watch-history-memory'),
      })
    config.onChange('watch-history', resize)
    config.onChange('watch-history-memory', resize)
    config.onChange('dir', (directory, previous) => {
      if (directory === '') throw new Error('it must name a directory')
      this.#changePersistence({ dir: previous })
    })
    config.onChange('durability', (_, previous) =>
      this.#changePersistence({ durability: previous }),
    )
  }

  #followEventFlags(flags: string): void {
    this.keyspace.notifier?.close()
    this.keyspace.notifier =
      flags === '' ? undefined : new KeyspaceNotifier(this.store, this.pubsub, flags)
  }

  /** What CONFIG SET has changed in one go is followed in one go, and taken back if it fails. */
  #changePersistence(previous: Partial<Record<'dir' | 'durability', string>>): void {
    if (this.#restoring) return
    if (this.#gathering !== undefined) {
      Object.assign(this.#gathering, previous)
      return
    }
    const former = { ...previous }
    this.#gathering = former
    const change = this.#followPersistence(former, this.#persistenceChange)
    this.#persistenceChange = change
    // Whoever asked for the change is told; nobody is, where a library's user has set it.
    change
      .catch((error: unknown) =>
        this.logger.warn({ err: error }, 'could not change where the data is kept'),
      )
      .finally(() => {
        if (this.#persistenceChange === change) this.#persistenceChange = undefined
      })
      .catch(() => {})
  }

  /** @param earlier a change that is still under way */
  async #followPersistence(
    former: Partial<Record<'dir' | 'durability', string>>,
    earlier: Promise<void> | undefined,
  ): Promise<void> {
    // The listeners of both directives are called before anything else happens.
    await Promise.resolve()
    this.#gathering = undefined
    const { config } = this
    const directory = pathFromBytes(config.get('dir'))
    const durability = config.get('durability')
    await earlier?.catch(() => {})
    try {
      await this.persistence.change(directory, durability)
    } catch (error) {
      this.#restoring = true
      for (const [name, value] of Object.entries(former)) config.set(name, [value])
      this.#restoring = false
      throw error
    }
  }
}

function hostPort(host = '?', port = 0): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
