import type { Logger } from 'pino'
import type { AclLog } from '../access/acl-log.ts'
import type { AuditLog } from '../access/audit.ts'
import type { CommandCatalogue } from '../access/command-catalogue.ts'
import type { User } from '../access/user.ts'
import type { Users } from '../access/users.ts'
import type { Config } from '../config/config.ts'
import { queryBufferLimit } from '../config/query-buffer.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { CommandStats, ServerStats } from '../metrics/counters.ts'
import type { LatencyMonitor } from '../metrics/latency-monitor.ts'
import type { MemoryGauge } from '../metrics/memory-gauge.ts'
import type { SlowLog } from '../metrics/slow-log.ts'
import type { Throughput } from '../metrics/throughput.ts'
import type { Persistence } from '../persistence/persistence.ts'
import type { Subscriber } from '../pubsub/subscriber.ts'
import type { Subscriptions } from '../pubsub/subscriptions.ts'
import type { PassingMessage } from '../resp/passing-message.ts'
import type { ReplySource } from '../resp/reply-writer.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Store } from '../store/store.ts'
import type { Value } from '../store/value.ts'
import type { ClientsByUser } from './clients-by-user.ts'
import type { ServerClock } from './clock.ts'
import type { CommandAccess } from './command-access.ts'
import type { ExpiryWait } from './expiry-wait.ts'
import type { Waiter } from './gate.ts'
import type { Group } from './group.ts'
import type { Accountable } from './guard.ts'
import type { LongWork } from './long-work.ts'
import type { Pause } from './pause.ts'
import type { PersistenceChanges } from './persistence-changes.ts'
import type { Transaction } from './transaction.ts'
import type { WatchedKeys } from './watched-keys.ts'

/** A client, as commands see it: commands do not know its connection. */
export interface Client extends Subscriber, Waiter, Accountable {
  readonly server: ServerContext
  readonly id: number
  /** `host:port`, or `path:0` of a Unix socket. */
  readonly address: string
  readonly localAddress: string
  /** Whether the client came over a Unix socket. */
  readonly isUnixSocket: boolean
  /** Whether the client is on the same machine. */
  readonly isLocal: boolean
  /** Unix milliseconds. */
  readonly createdAt: number
  /** Time of the last request, on the scale of `Clock.elapsed`. */
  lastRequestAt: number
  /** Full name of the last command (`client|list`). */
  lastCommand: string
  name: string
  libraryName: string
  libraryVersion: string
  /** The default user until it logs in as another. */
  user: User
  authenticated: boolean
  monitor: boolean
  noEvict: boolean
  noTouch: boolean
  /** CLIENT REPLY: `skip` mutes the next request only. */
  replyMode: 'on' | 'off' | 'skip'
  /** The queued requests; present between MULTI and EXEC. */
  transaction: Transaction | undefined
  /** The keys that WATCH has named. */
  watched: WatchedKeys | undefined
  /** Whether EXEC is running: no command may then block, or reply later. */
  executing: boolean
  /** The wait of a request that is put off until nodes have expired. */
  expiryWait: ExpiryWait | undefined
  /** How many nodes the RENAMEs of the present EXEC have moved. */
  movedNodes: number
  /** How many bytes of values its SETRANGEs have copied. */
  copiedBytes: number
  /** How many bytes of values its GETRANGEs and DUMPs have copied. */
  copiedForReplies: number
  /** How many patterns of its user its SLOWLOGs, SCANs and RANDOMKEYs have tried, about. */
  triedPatterns: number
  /** What the searches of the present EXEC take together, in comparisons with patterns. */
  searchTries: number
  /** How many rights of clients the changes of users have made the server judge. */
  judgedRights: number
  /** The request that waits for something to happen in the tree (KWAIT). */
  awaited: readonly string[] | undefined
  /** Whether a command blocks the client. */
  readonly blocked: boolean
  /** Bytes read and not yet served. */
  readonly bufferedInput: number
  /**
   * Serves no further request until the returned function is called, which the command does after it
   * has written the reply.
   *
   * @param onGone called if the client leaves first
   */
  block(onGone: () => void): () => void
  /**
   * Like `close`, but for an end that is not the client's wish: does not wait for it to close or to read,
   * because it may do neither. The client whose request asks for it gets its reply first.
   */
  drop(): void
  /** Sends a message, bytes or made as it is sent, after all bytes written before. */
  deliver(message: Uint8Array | ReplySource | PassingMessage): void
}

/** A command that a request calls. */
export interface FoundCommand {
  /** `client|list` for a subcommand. */
  readonly fullName: string
  readonly arity: number
  /** Whether the command may change the tree. */
  readonly writes: boolean
  /** The keys in a request. */
  keysOf(args: readonly Value[]): readonly string[]
  /** Memory that a request takes while it is kept, and that its call may add to the tree, in bytes, about. */
  takes(args: RequestArguments, store: Store): number
  /** What it asks of its user. */
  readonly access: CommandAccess
}

/** The server, as commands see it. */
export interface ServerContext {
  readonly store: Store
  readonly keyspace: Keyspace
  readonly config: Config
  /** The file that CONFIG REWRITE writes; absent if the server was started without one. */
  readonly configFile: string | undefined
  readonly clock: ServerClock
  readonly logger: Logger
  /** Count of the lines that the log has lost, because it could not be written. */
  lostLogLines(): number
  readonly pubsub: Subscriptions
  readonly stats: ServerStats
  /** Counters of INFO commandstats, by full name (`client|list`). */
  readonly commandStats: Map<string, CommandStats>
  /** The connected clients by id, the oldest first. */
  readonly clients: ReadonlyMap<number, Client>
  readonly clientsByUser: ClientsByUser<Client>
  readonly monitors: Set<Client>
  /** Unix milliseconds. */
  readonly startedAt: number
  /** 40 hexadecimal digits, random at every start. */
  readonly runId: string
  /** The TCP port; 0 for none. */
  readonly port: number
  readonly persistence: Persistence
  readonly throughput: Throughput
  readonly slowlog: SlowLog
  readonly latency: LatencyMonitor
  readonly memory: MemoryGauge
  readonly longWork: LongWork
  readonly pause: Pause
  /** Absent in a single process. */
  readonly group: Group | undefined
  readonly catalogue: CommandCatalogue
  readonly users: Users
  readonly aclLog: AclLog
  /** Absent while `audit-log` is empty. */
  readonly audit: AuditLog | undefined
  /** The command that a request calls, or undefined if there is none such. */
  findCommand(request: readonly Value[]): FoundCommand | undefined
  /**
   * Replaces all users by those of the ACL file.
   *
   * @param file the directive's value
   * @throws UsersError
   */
  loadAclFile(file: string): void
  /** Runs a client's queued requests, and writes EXEC's reply. */
  execute(client: Client, transaction: Transaction): void
  readonly persistenceChanges: PersistenceChanges
  /**
   * Closes the server once the requests received so far are served.
   *
   * @param save false leaves out the writes that are not on disk yet
   */
  shutdown(save: boolean): void
}

/** Whether a client is subscribed to a channel, a tree channel or a pattern. */
export function isSubscriber(client: Client): boolean {
  return client.channelCount + client.patternCount > 0
}

/** Ends a transaction, executed or not, and all watches of the client (Redis). */
export function endTransaction(client: Client): void {
  client.transaction = undefined
  client.watched?.clear()
  client.watched = undefined
}

type Asking = Pick<Client, 'transaction' | 'watched' | 'subscriptionBytes'>

/** Memory that a client's queued requests, watched keys and subscriptions take, about, in bytes. */
export function keptBytes(client: Asking): number {
  const queue = client.transaction?.bytes ?? 0
  const watched = client.watched?.bytes ?? 0
  return queue + watched + client.subscriptionBytes
}

/** How much of {@link keptBytes} lies in V8's heap: all but the large values of queued requests. */
export function keptHeapBytes(client: Asking): number {
  return keptBytes(client) - (client.transaction?.largeBytes ?? 0)
}

/**
 * Disconnects a client that makes the server keep more than `client-query-buffer-limit`, its buffered
 * input included. Redis counts queued requests and input as one buffer, too.
 *
 * @returns whether the client may go on
 */
export function limitKept(client: Client): boolean {
  const limit = queryBufferLimit(client.server.config)
  if (keptBytes(client) + client.bufferedInput <= limit) return true
  client.disconnect(
    'what it has queued, watches or listens to is larger than client-query-buffer-limit',
  )
  return false
}

/** Ends the connections that watch the tree, or wait for an event, because its index does not go on. */
export function closeWatchers({ pubsub, clients }: ServerContext): void {
  pubsub.closeWatchers()
  for (const client of clients.values()) if (client.awaited !== undefined) client.close()
}

/** Ends the connections that listen to anything, because this node skips what has been published meanwhile. */
export function closeListeners(server: ServerContext): void {
  closeWatchers(server)
  for (const client of server.clients.values()) {
    if (client.channelCount + client.patternCount > 0) client.close()
  }
}

/** {@link limitKept} is called after this many names of one request. */
export const NAMES_PER_CHECK = 256
