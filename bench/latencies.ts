/** Percentiles of the clients' waits, in milliseconds. */
export type Waits = {
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly longest: number
}

/** The result of a load generator. */
export type Throughput = Waits & {
  /** Requests a second. */
  readonly rate: number
  /** Duration of the load. */
  readonly seconds: number
}

/** The smallest value that a share of all values does not exceed. @param sorted in ascending order */
const percentile = (sorted: ArrayLike<number>, share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]

/** The percentiles of some waits. @param latencies in milliseconds, in any order; not changed */
export function summarize(latencies: readonly number[]): Waits {
  const sorted = Float64Array.from(latencies).sort()
  return {
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    p999: percentile(sorted, 0.999),
    longest: sorted[sorted.length - 1],
  }
}

/** The value in the middle; of an even number of values, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort()
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}
