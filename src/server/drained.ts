import { type Accountable, guarded } from '../request/guard.ts'

/** What waits for all of a client's output to be sent. */
export class Drained {
  callbacks: (() => void)[] = []

  /** Calls them once, after others have been served. @param client answers for their errors */
  callSoon(client: Accountable): void {
    if (this.callbacks.length === 0) return
    const { callbacks } = this
    this.callbacks = []
    for (const callback of callbacks) setImmediate(guarded(client, callback))
  }
}
