import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import type { KeyspaceEvent } from '../keyspace/events.ts'
import type { CommandStats, ServerStats } from '../metrics/counters.ts'
import type { LatencyMonitor } from '../metrics/latency-monitor.ts'
import type { SlowLog } from '../metrics/slow-log.ts'
import type { Throughput } from '../metrics/throughput.ts'
import type { ReplyWriter } from '../resp/reply-writer.ts'
import type { Clock } from '../store/clock.ts'
import type { Store } from '../store/store.ts'
import type { Entry } from './prepared-command.ts'
import type { Transaction } from './transaction.ts'
import type { WatchedKeys } from './watched-keys.ts'

/** A client, as commands see it. What carries its bytes is not their business. */
export interface Client {
  readonly server: ServerContext
  readonly id: number
  readonly reply: ReplyWriter
  /** `host:port`, or `path:0` of a Unix socket. */
  readonly address: string
  readonly localAddress: string
  /** Whether it is on the same machine. */
  readonly isLocal: boolean
  /** Unix milliseconds. */
  readonly createdAt: number
  /** When its last request came, in Unix milliseconds. */
  lastRequestAt: number
  /** The last command's full name (`client|list`). */
  lastCommand: string
  name: string
  libraryName: string
  libraryVersion: string
  authenticated: boolean
  monitor: boolean
  noEvict: boolean
  noTouch: boolean
  /** CLIENT REPLY: `skip` mutes the next request only. */
  replyMode: 'on' | 'off' | 'skip'
  /** What is queued, between MULTI and EXEC. */
  transaction: Transaction | undefined
  /** What it watches (WATCH). */
  watched: WatchedKeys | undefined
  /** Is in the middle of EXEC: no command may block, or reply later. */
  executing: boolean
  /** Waits in a blocking command. */
  readonly blocked: boolean
  /** Bytes read and not yet served, and written and not yet sent. */
  readonly bufferedInput: number
  readonly bufferedOutput: number
  /** What it is subscribed to, tree channels included; kept by {@link PubSub}. */
  readonly channels: Set<string>
  readonly patterns: Set<string>
  readonly channelCount: number
  readonly patternCount: number
  /** Sends bytes that are no reply (a message, a MONITOR line), after what is already written. */
  deliver(bytes: Uint8Array): void
  /** Ends the connection once its replies are sent; later requests are not served. */
  close(): void
  /** Ends the connection at once and logs why. */
  disconnect(reason: string): void
  /**
   * Serves no further request until the returned function is called, after the reply is written.
   *
   * @param onGone called if the client leaves first
   */
  block(onGone: () => void): () => void
  /**
   * Serves the present request, and those after it, only when the returned function is called.
   *
   * @param onGone called if the client leaves first
   */
  postpone(args: readonly string[], onGone: () => void): () => void
}

/** Redis's pub/sub and the watching of the tree; replies are written by the calls. */
export interface PubSub {
  subscribe(client: Client, channels: readonly string[]): void
  /** @param channels none: all of the client's channels */
  unsubscribe(client: Client, channels: readonly string[]): void
  patternSubscribe(client: Client, patterns: readonly string[]): void
  patternUnsubscribe(client: Client, patterns: readonly string[]): void
  /** Ends all of the client's subscriptions without a word (RESET). */
  drop(client: Client): void
  /**
   * Closes the connections that watch the tree: its index has been set back, and what they would be
   * shown is no continuation of what they have seen.
   */
  closeWatchers(): void
  /** @returns how many clients have received it */
  publish(channel: string, message: string): number
  /** The channels with subscribers, tree channels included. */
  channels(): Iterable<string>
  subscribers(channel: string): number
  readonly patternCount: number
}

/** How much memory is in use, in bytes. */
export interface MemoryUse {
  /** Whether `maxmemory` sets a limit. */
  readonly limited: boolean
  readonly peak: number
  /** What was in use at the start. */
  readonly startup: number
  /** What is in use now; takes some microseconds. */
  measure(): number
  /** Whether a request that takes memory is to be refused. */
  isExceeded(args: readonly string[]): boolean
  /** Collects garbage; everybody waits for it. */
  collect(): void
}

/** CLIENT PAUSE, while it lasts. */
export interface Pause {
  /** Unix milliseconds. */
  readonly end: number
  readonly writesOnly: boolean
  /** @returns whether the request has to wait; it is then served when the pause is over */
  delays(client: Client, entry: Entry, args: readonly string[]): boolean
}

/** The copy on disk, as commands see it. */
export interface PersistenceStatus {
  readonly durability: 'always' | 'everysec' | 'no'
  /** The data directory, absolute; empty while nothing is kept. */
  readonly directory: string
  /** Why writes are refused: the disk does not take them. */
  readonly failure: string | undefined
  readonly committing: boolean
  readonly commits: number
  /** How many writes are not on the disk yet. */
  readonly unsavedWrites: number
  /** When the last commit was on the disk, in Unix milliseconds. */
  readonly lastSave: number
  /** How long it took, in milliseconds; undefined before the first. */
  readonly lastDuration: number | undefined
  /** Resolves when all that has been written so far is on the disk; rejects if it cannot be. */
  save(): Promise<void>
}

/** The server's time; how long requests take is told from one reading between each two of them. */
export interface RequestClock extends Clock {
  /** When the last request ended, in milliseconds since the process began. */
  readonly lastLap: number
  /** Called after each request. @returns the moment, in milliseconds since the process began */
  lap(): number
}

/** The server, as commands see it. */
export interface ServerContext {
  readonly store: Store
  readonly config: Config
  /** Where CONFIG REWRITE writes; absent when started without a file. */
  readonly configFile: string | undefined
  readonly clock: RequestClock
  readonly logger: Logger
  readonly pubsub: PubSub
  readonly stats: ServerStats
  /** By full name (`client|list`); see INFO commandstats. */
  readonly commandStats: Map<string, CommandStats>
  /** By id, oldest first. */
  readonly clients: ReadonlyMap<number, Client>
  readonly monitors: Set<Client>
  /** Unix milliseconds. */
  readonly startedAt: number
  /** 40 hexadecimal digits, new at every start. */
  readonly runId: string
  /** The TCP port; 0 for none. */
  readonly port: number
  readonly persistence: PersistenceStatus
  readonly throughput: Throughput
  readonly slowlog: SlowLog
  readonly latency: LatencyMonitor
  readonly memory: MemoryUse
  readonly pause: Pause | undefined
  /**
   * Lets the requests of all clients wait.
   *
   * @param end Unix milliseconds; an earlier pause that lasts longer still does
   */
  pauseClients(end: number, writesOnly: boolean): void
  unpauseClients(): void
  /**
   * Tells those who listen (`notify-keyspace-events`) what has happened to a key, after it has.
   *
   * @param key as the client has given it
   */
  notifyKeyspace(event: KeyspaceEvent, key: string): void
  /** Runs an action for which time stands still. */
  atOneMoment(action: () => void): void
  /** Runs what a client has queued, and writes EXEC's reply. */
  execute(client: Client, transaction: Transaction): void
  /** The change of `dir` or `durability` just asked for, if any; rejects if it is taken back. */
  persistenceChange(): Promise<void> | undefined
  /**
   * Finishes what is in flight and stops.
   *
   * @param save false leaves out the writes that are not on the disk yet
   */
  shutdown(save: boolean): void
}

/** Whether it has a channel, a tree channel or a pattern. */
export function isSubscriber(client: Client): boolean {
  return client.channelCount + client.patternCount > 0
}

/** Redis shows a Unix socket's path with the port 0, which no TCP client can have. */
export function isUnixSocket(client: Client): boolean {
  return client.address.endsWith(':0')
}

/** Ends a transaction, whether it has run or not, and all of its watches (Redis). */
export function endTransaction(client: Client): void {
  client.transaction = undefined
  client.watched?.clear()
  client.watched = undefined
}

/**
 * Disconnects a client whose queue, with the keys that it watches and what it has sent and is not
 * yet served, is larger than `client-query-buffer-limit`: to Redis, too, it is all one buffer.
 */
export function limitQueue(client: Client): void {
  const queue = client.transaction?.bytes ?? 0
  const watched = client.watched?.bytes ?? 0
  const limit = client.server.config.get('client-query-buffer-limit')
  if (queue + watched + client.bufferedInput <= limit) return
  client.disconnect('what it has queued or watches is larger than client-query-buffer-limit')
}
