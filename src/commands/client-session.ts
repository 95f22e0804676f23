import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { ReplyWriter } from '../resp/reply-writer.ts'
import type { Clock } from '../store/clock.ts'
import type { Store } from '../store/store.ts'

/** A client, as commands see it. What carries its bytes is not their business. */
export interface Client {
  readonly server: ServerContext
  readonly id: number
  readonly reply: ReplyWriter
  /** `host:port`, or `path:0` of a Unix socket. */
  readonly address: string
  readonly localAddress: string
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
  deliver(bytes: string): void
  /** Ends the connection once its replies are sent; later requests are not served. */
  close(): void
  /**
   * Serves no further request until the returned function is called, after the reply is written.
   *
   * @param onGone called if the client leaves first
   */
  block(onGone: () => void): () => void
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

/** Counters of INFO, set back by CONFIG RESETSTAT. */
export interface ServerStats {
  connectionsReceived: number
  connectionsRejected: number
  commandsProcessed: number
  inputBytes: number
  outputBytes: number
  unexpectedErrors: number
  errorReplies: number
  /** Clients cut off because they did not read their output. */
  outputLimitDisconnections: number
}

export interface CommandStats {
  calls: number
  /** Microseconds. */
  time: number
  rejectedCalls: number
  failedCalls: number
}

/** The server, as commands see it. */
export interface ServerContext {
  readonly store: Store
  readonly config: Config
  /** Where CONFIG REWRITE writes; absent when started without a file. */
  readonly configFile: string | undefined
  readonly clock: Clock
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
  /** Finishes what is in flight and stops. */
  shutdown(): void
}
