import type { Logger } from 'pino'
import type { MemoryGauge } from '../metrics/memory-gauge.ts'
import type { ServerClock } from '../request/clock.ts'

/** The log says at most this often that the heap is almost full. */
const INTERVAL_MS = 60_000

/** What is told of a heap that is almost full. */
export interface Warned {
  readonly memory: MemoryGauge
  readonly clock: ServerClock
  readonly logger: Logger
}

/** @returns a function that says in the log that the heap is almost full; around the limit it is full many times a second */
export function heapWarning({ memory, clock, logger }: Warned): () => void {
  let warnedAt = Number.NEGATIVE_INFINITY
  return () => {
    if (clock.elapsed() - warnedAt < INTERVAL_MS) return
    warnedAt = clock.elapsed()
    const limit = Math.round(memory.heapLimit / 1024 ** 2)
    logger.warn(
      { limit },
      `the heap is almost full: writes that need memory are refused. Its limit is ${limit} MB; for more, start node with --max-old-space-size=MB`,
    )
  }
}
