import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import type { CommandStats, ServerContext, ServerStats } from '../commands/client-session.ts'
import { Dispatcher } from '../commands/dispatcher.ts'
import { commandTable } from '../commands/table.ts'
import type { Config } from '../config.ts'
import { defaultRequestLimits, type RequestLimits } from '../resp/request-limits.ts'
import type { Clock } from '../store/clock.ts'
import { Store } from '../store/store.ts'
import { Connection } from './connection.ts'
import { ExpiryTimer } from './expiry-timer.ts'
import { type Listeners, listen } from './listeners.ts'
import { isLoopback } from './loopback.ts'
import { Subscriptions } from './subscriptions.ts'

/** How often idle and slow connections are looked for, in milliseconds. */
const SURVEY_INTERVAL = 1000
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
  readonly clock: Clock
  readonly store: Store
  readonly pubsub: Subscriptions
  readonly dispatcher: Dispatcher
  readonly requestLimits: RequestLimits
  readonly stats: ServerStats = {
    connectionsReceived: 0,
    connectionsRejected: 0,
    commandsProcessed: 0,
    inputBytes: 0,
    outputBytes: 0,
    unexpectedErrors: 0,
    errorReplies: 0,
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
  #listeners: Listeners | undefined
  #nextClientId = 1
  #dirty: Connection[] = []
  #cancelSurvey: (() => void) | undefined
  #closing = false
  #resolveClosed: () => void = () => {}
  #noClients: (() => void) | undefined

  constructor(parts: ServerParts) {
    this.#parts = parts
    this.config = parts.config
    this.configFile = parts.configFile
    this.logger = parts.logger
    this.clock = parts.clock
    this.startedAt = parts.clock.now()
    this.store = new Store({
      clock: parts.clock,
      watchHistory: parts.config.get('watch-history'),
      watchHistoryMemory: parts.config.get('watch-history-memory'),
    })
    this.pubsub = new Subscriptions(this.store)
    this.dispatcher = new Dispatcher(this, commandTable)
    this.requestLimits = { ...defaultRequestLimits }
    this.#expiry = new ExpiryTimer(this.store, this.clock, () => this.#flushDirty())
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

  /** @throws the system's error if an address cannot be listened on */
  async listen(): Promise<void> {
    this.#listeners = await listen(this.config, this.#parts.listenPort, (socket, unixPath) =>
      this.#accept(socket, unixPath),
    )
    this.#survey()
  }

  /**
   * Serves no one new, sends what is still to be sent, and ends all connections.
   *
   * @returns a promise that resolves when nothing of the server is left
   */
  close(): Promise<void> {
    if (this.#closing) return this.closed
    this.#closing = true
    this.#listeners?.close()
    this.#cancelSurvey?.()
    this.#expiry.stop()
    for (const client of this.clients.values()) client.close()
    this.#flushDirty()
    const overdue = setTimeout(() => {
      for (const client of this.clients.values()) client.destroy()
    }, CLOSE_GRACE)
    this.#noClients = () => {
      clearTimeout(overdue)
      this.logger.info('closed')
      this.#resolveClosed()
    }
    if (this.clients.size === 0) this.#noClients()
    return this.closed
  }

  shutdown(): void {
    this.close().catch((error: unknown) => this.logger.fatal({ err: error }, 'could not close'))
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

  /** Called when a burst of requests has been served. */
  afterRequests(): void {
    this.#expiry.arm()
  }

  /** Has the client's output sent when the current work is done, with that of all others. */
  queueFlush(client: Connection): void {
    if (this.#dirty.length === 0) queueMicrotask(() => this.#flushDirty())
    this.#dirty.push(client)
  }

  #flushDirty(): void {
    const dirty = this.#dirty
    this.#dirty = []
    for (const client of dirty) client.flush()
  }

  #accept(socket: Socket, unixPath: string | undefined): void {
    this.stats.connectionsReceived++
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
    const resize = (): void =>
      store.history.resize({
        events: config.get('watch-history'),
        bytes: config.get('watch-history-memory'),
      })
    config.onChange('watch-history', resize)
    config.onChange('watch-history-memory', resize)
  }
}

function hostPort(host = '?', port = 0): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
