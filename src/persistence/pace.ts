import { setTimeout as sleep } from 'node:timers/promises'

/** How long encoding a checkpoint holds up clients at a time. */
const SLICE_MS = 2
/** The same while somebody waits for the checkpoint. */
const URGENT_SLICE_MS = 5
/** Clients have the time to themselves between two slices. */
const PAUSE_MS = 4

/** Divides the time between clients and a checkpoint. The checkpoint shows one moment, so it ends. */
export class Pace {
  /** Begins a slice, and returns when it must end. @param isUrgent whether somebody waits */
  nextEnd(isUrgent: boolean): number {
    return performance.now() + (isUrgent ? URGENT_SLICE_MS : SLICE_MS)
  }

  /** Serves the requests that clients have sent by now, and for a while. */
  async serveClients(isUrgent: boolean): Promise<void> {
    if (isUrgent) await new Promise<void>((resolve) => setImmediate(resolve))
    else await sleep(PAUSE_MS)
  }
}
