import type { Config } from '../config/config.ts'
import type { Clock } from '../store/clock.ts'

/** What may hold up clients: Redis's names, and `commit`, which has none there. */
export type LatencyEvent = 'command' | 'fast-command' | 'expire-cycle' | 'commit'

/** So many samples are kept of each event (Redis). */
const MAX_SAMPLES = 160

export interface LatencySample {
  /** Unix seconds. */
  readonly time: number
  /** Milliseconds. */
  readonly latency: number
}

/** What has been seen of one event. */
export interface LatencySeries {
  /** The oldest first, one a second. */
  readonly samples: LatencySample[]
  /** The longest ever, in milliseconds. */
  max: number
}

/** Redis's latency monitor: what took `latency-monitor-threshold` or longer, and when. */
export class LatencyMonitor {
  readonly #config: Config
  readonly #clock: Clock
  readonly #series = new Map<string, LatencySeries>()

  constructor(config: Config, clock: Clock) {
    this.#config = config
    this.#clock = clock
  }

  get series(): ReadonlyMap<string, LatencySeries> {
    return this.#series
  }

  /** @param duration milliseconds */
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
      // Of each second the longest.
      samples[samples.length - 1] = sample
    }
  }

  /** @returns whether there was anything to forget */
  forget(event: string): boolean {
    return this.#series.delete(event)
  }
}
