import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import type { CommandStats, ServerStats } from '../metrics/counters.ts'
import type { LatencyMonitor } from '../metrics/latency-monitor.ts'
import type { MemoryGauge } from '../metrics/memory-gauge.ts'
import type { SlowLog } from '../metrics/slow-log.ts'
import type { Throughput } from '../metrics/throughput.ts'
import type { Persistence } from '../persistence/persistence.ts'
import type { Subscriber } from '../pubsub/subscriber.ts'
import type { Subscriptions } from '../pubsub/subscriptions.ts'
import type { Store } from '../store/store.ts'
import type { ServerClock } from './clock.ts'
import type { Waiter } from './gate.ts'
import type { Pause } from './pause.ts'
import type { Transaction } from './transaction.ts'
import type { WatchedKeys } from './watched-keys.ts'

/** A client, as commands see it. What carries its bytes is not their business. */
export interface Client extends Subscriber, Waiter {
  readonly server: ServerContext
  readonly id: number
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
  /** Bytes read and not yet served. */
  readonly bufferedInput: number
  /**
   * Serves no further request until the returned function is called, after the reply is written.
   *
   * @param onGone called if the client leaves first
   */
  block(onGone: () => void): () => void
}

/** The server, as commands see it. */
export interface ServerContext {
  readonly store: Store
  readonly keyspace: Keyspace
  readonly config: Config
  /** Where CONFIG REWRITE writes; absent when started without a file. */
  readonly configFile: string | undefined
  readonly clock: ServerClock
  readonly logger: Logger
  readonly pubsub: Subscriptions
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
  readonly persistence: Persistence
  readonly throughput: Throughput
  readonly slowlog: SlowLog
  readonly latency: LatencyMonitor
  readonly memory: MemoryGauge
  readonly pause: Pause
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
