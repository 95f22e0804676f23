/** What clients had to wait, in milliseconds. */
export type Waits = {
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly longest: number
}

/** What a load generator finds. */
export type Throughput = Waits & {
  /** Requests a second. */
  readonly rate: number
  /** How long the load lasted. */
  readonly seconds: number
}

/** The value that a share of all values does not exceed. @param sorted ascending */
const percentile = (sorted: ArrayLike<number>, share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]

/** @param latencies in milliseconds, in any order; is not changed */
export function summarize(latencies: readonly number[]): Waits {
  const sorted = Float64Array.from(latencies).sort()
  return {
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    p999: percentile(sorted, 0.999),
    longest: sorted[sorted.length - 1],
  }
}

/** The middle one; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort()
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}
