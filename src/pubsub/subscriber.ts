import type { Client } from '../request/client.ts'

/** A client as its subscriptions see it. */
export interface Subscriber extends Client {
  /** {@link Client.deliver} of bytes that nobody changes any more: they need not be copied. */
  deliverShared(bytes: Buffer): void
  /** Calls back once, when all that was written has been sent; not if the connection ends first. */
  whenDrained(callback: () => void): void
}
