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

/** Visits all items as fast as clients, who are served in between, let it. */
export async function eachInSlices<Item>(
  items: Iterable<Item>,
  visit: (item: Item) => void,
): Promise<void> {
  const pace = new Pace()
  let end = pace.nextEnd(true)
  for (const item of items) {
    visit(item)
    if (performance.now() < end) continue
    await pace.serveClients(true)
    end = pace.nextEnd(true)
  }
}
