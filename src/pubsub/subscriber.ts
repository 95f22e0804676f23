import type { PassingMessage } from '../resp/passing-message.ts'
import type { ReplyWriter } from '../resp/reply-writer.ts'

/** A client, as {@link Subscriptions} sees it. */
export interface Subscriber {
  readonly reply: ReplyWriter
  /** The subscribed channels, tree channels included; only {@link Subscriptions} changes them. */
  readonly channels: Set<string>
  readonly patterns: Set<string>
  readonly channelCount: number
  readonly patternCount: number
  /** Memory that the subscriptions take, about; only {@link Subscriptions} change it. */
  subscriptionBytes: number
  /** Whether its user may read a path. @param path absolute and clean */
  maySee(path: string): boolean
  /** Whether one of its transactions is running, whose messages wait for its end. */
  readonly executing: boolean
  /** Bytes written and not yet sent. */
  readonly bufferedOutput: number
  /** These, or the bytes of the messages that were sent in this turn, if they are more. */
  readonly aheadBytes: number
  /** Disconnects the client if it makes the server keep too much. @returns whether it may go on */
  limitKept(): boolean
  /**
   * Whether a message of this many bytes may be sent. Disconnects the client if not, because its
   * unread output would be over `client-output-buffer-limit`.
   */
  mayGet(length: number): boolean
  /** Sends a message or a MONITOR line, after all bytes written before. */
  deliver(message: Uint8Array | PassingMessage): void
  /** Like {@link Subscriber.deliver}, but without a copy, because the bytes never change. */
  deliverShared(bytes: Buffer): void
  /** Calls back once, when all bytes written have been sent; never if the connection ends first. */
  whenDrained(callback: () => void): void
  /** Ends the connection when its replies are sent, and serves no more requests. */
  close(): void
  /** Ends the connection at once and logs why. */
  disconnect(reason: string): void
  /** Ends the connection at once because of an error that is no fault of the client's. */
  fail(error: unknown): void
}
