import type { ReplyWriter } from '../resp/reply-writer.ts'

/** A client as its subscriptions see it. */
export interface Subscriber {
  readonly reply: ReplyWriter
  /** The channels that it is subscribed to, tree channels included; kept by {@link Subscriptions}. */
  readonly channels: Set<string>
  readonly patterns: Set<string>
  readonly channelCount: number
  readonly patternCount: number
  /** Bytes written and not yet sent. */
  readonly bufferedOutput: number
  /** Sends bytes that are no reply (a message, a MONITOR line), after all bytes written before. */
  deliver(bytes: Uint8Array): void
  /** Like {@link Subscriber.deliver}, for bytes that never change: they need not be copied. */
  deliverShared(bytes: Buffer): void
  /** Calls back once, when all bytes written have been sent; not if the connection ends first. */
  whenDrained(callback: () => void): void
  /** Ends the connection once its replies are sent; later requests are not served. */
  close(): void
  /** Ends the connection at once and logs why. */
  disconnect(reason: string): void
}
