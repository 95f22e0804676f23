import type { Client } from '../commands/client-session.ts'

/** A client as its subscriptions see it. */
export interface Subscriber extends Client {
  /** Calls back once, when all that was written has been sent; not if the connection ends first. */
  whenDrained(callback: () => void): void
}
