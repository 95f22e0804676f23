import type { User } from '../access/user.ts'
import { keptBytes, keptHeapBytes, type ServerContext } from '../request/client.ts'
import type { ExpiryWait } from '../request/expiry-wait.ts'
import type { Transaction } from '../request/transaction.ts'
import type { WatchedKeys } from '../request/watched-keys.ts'
import { SPEAKS_TLS } from '../resp/frame-walker.ts'
import type { ReplyWriter } from '../resp/reply-writer.ts'
import type { Peer } from './peer.ts'
import type { RepeatedWarnings } from './repeated-warnings.ts'

/** What a session is given by its server. */
interface SessionContext {
  readonly server: ServerContext
  readonly warnings: RepeatedWarnings
}

/** The fields of a client that commands read and change. */
export class Session {
  readonly server: ServerContext
  readonly #warnings: RepeatedWarnings
  readonly id: number
  /** `host:port`, or `path:0` of a Unix socket. */
  readonly address: string
  readonly localAddress: string
  readonly isUnixSocket: boolean
  readonly isLocal: boolean
  /** Unix milliseconds. */
  readonly createdAt: number
  readonly channels = new Set<string>()
  readonly patterns = new Set<string>()
  subscriptionBytes = 0
  /** On the scale of `Clock.elapsed`. */
  lastRequestAt: number
  lastCommand = 'NULL'
  name = ''
  libraryName = ''
  libraryVersion = ''
  user: User
  authenticated: boolean
  transaction: Transaction | undefined
  watched: WatchedKeys | undefined
  executing = false
  expiryWait: ExpiryWait | undefined
  movedNodes = 0
  copiedBytes = 0
  copiedForReplies = 0
  triedPatterns = 0
  searchTries = 0
  judgedRights = 0
  owed = 0
  owedBytes = 0
  receivedBytes = 0
  onSettled: (() => void) | undefined
  awaited: readonly string[] | undefined
  monitor = false
  noEvict = false
  noTouch = false
  replyMode: 'on' | 'off' | 'skip' = 'on'

  /** @param user as whom the client has logged in, by its certificate; undefined for the default user */
  constructor(context: SessionContext, id: number, peer: Peer, user: User | undefined) {
    const { server } = context
    this.server = server
    this.#warnings = context.warnings
    this.id = id
    this.address = peer.address
    this.localAddress = peer.localAddress
    this.isUnixSocket = peer.isUnixSocket
    this.isLocal = peer.isLocal
    this.createdAt = server.clock.now()
    this.lastRequestAt = server.clock.elapsed()
    this.user = user ?? server.users.default
    this.authenticated = user !== undefined || !server.users.loginRequired
  }

  get channelCount(): number {
    return this.channels.size
  }

  get patternCount(): number {
    return this.patterns.size
  }

  /** Whether the client has subscriptions. */
  get subscribes(): boolean {
    return this.channels.size + this.patterns.size > 0
  }

  /** Whether the client has subscriptions, or monitors. */
  get listens(): boolean {
    return this.subscribes || this.monitor
  }

  /** Whether the client has to authenticate before its requests are served. */
  get needsPassword(): boolean {
    return !this.authenticated && this.server.users.loginRequired
  }

  /** Memory that its queued requests, watched keys and subscriptions take. */
  protected get askedBytes(): number {
    return keptBytes(this)
  }

  /** How much of that lies in V8's heap. */
  protected get askedHeap(): number {
    return keptHeapBytes(this)
  }

  maySee(path: string): boolean {
    return this.user.mayRead(path)
  }

  protected logEnd(reason: string): void {
    const { id: client, address, name } = this
    this.server.logger.warn({ client, address, name }, `client disconnected: ${reason}`)
  }

  protected logHttp(): void {
    const { id: client, address, name } = this
    const reason = 'it speaks HTTP: a web page may be attacking through a browser'
    this.#warnings.warn({ client, address, name }, `client disconnected: ${reason}`)
  }

  /** Logs, and replies, that input is no request. */
  protected refuseInput(reply: ReplyWriter, message: string): void {
    const { id: client, address } = this
    const facts = { client, address }
    if (message === SPEAKS_TLS) this.#warnings.warn(facts, `client refused: ${message}`)
    else this.server.logger.debug(facts, message)
    reply.muted = false
    reply.error(`ERR ${message}`)
  }

  /** Logs that the connection has failed, as connections do. */
  logTrouble(error: Error): void {
    this.server.logger.debug({ err: error, client: this.id }, 'connection failed')
  }

  /** Logs and counts an error that ends the connection. */
  protected logFailure(error: unknown): void {
    const { id: client, address, name } = this
    const { stats, logger } = this.server
    stats.unexpectedErrors++
    logger.error({ err: error, client, address, name }, 'client disconnected: an unexpected error')
  }
}
