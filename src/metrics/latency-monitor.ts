import type { Config } from '../config/config.ts'
import type { Clock } from '../store/clock.ts'

/** Events that may hold up clients: Redis's, and `checkpoint`, which Redis does not have. */
export type LatencyEvent = 'command' | 'fast-command' | 'expire-cycle' | 'checkpoint'

/** Samples kept of each event (Redis). */
const MAX_SAMPLES = 160

/** One latency of an event. */
export interface LatencySample {
  /** Unix seconds. */
  readonly time: number
  /** Milliseconds. */
  readonly latency: number
}

/** The latencies of one event. */
export interface LatencySeries {
  /** One sample per second, the oldest first. */
  readonly samples: LatencySample[]
  /** The longest latency ever, in milliseconds. */
  max: number
}

/** Redis's latency monitor: keeps the events that took `latency-monitor-threshold` or longer. */
export class LatencyMonitor {
  readonly #config: Config
  readonly #clock: Clock
  readonly #series = new Map<string, LatencySeries>()

  constructor(config: Config, clock: Clock) {
    this.#config = config
    this.#clock = clock
  }

  /** The latencies kept, by event. */
  get series(): ReadonlyMap<string, LatencySeries> {
    return this.#series
  }

  /** Keeps an event's latency, if it reaches the threshold. @param duration milliseconds */
  add(event: LatencyEvent, duration: number): void {
    const threshold = this.#config.get('latency-monitor-threshold')
    if (threshold === 0 || duration < threshold) return
    const sample = {
      time: Math.floor(this.#clock.now() / 1000),
      latency: Math.floor(duration),
    }
    let series = this.#series.get(event)
    if (series === undefined) {
      series = { samples: [], max: 0 }
      this.#series.set(event, series)
    }
    series.max = Math.max(series.max, sample.latency)
    const { samples } = series
    const last = samples.at(-1)
    if (last?.time !== sample.time) {
      if (samples.length === MAX_SAMPLES) samples.shift()
      samples.push(sample)
    } else if (last.latency < sample.latency) {
      // A second keeps its longest latency.
      samples[samples.length - 1] = sample
    }
  }

  /** Drops the latencies of an event. @returns whether there were any */
  forget(event: string): boolean {
    return this.#series.delete(event)
  }
}
