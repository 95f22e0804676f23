/** Buckets enough for half an hour; a call that takes longer is counted in the last. */
const BUCKETS = 32
/** Where Redis's first bucket ends, in nanoseconds: 1024, and what its precision adds. */
const FIRST_END = 1032

/** How often a command took how long: each bucket reaches twice as far as the one before. */
export function newHistogram(): number[] {
  return new Array<number>(BUCKETS).fill(0)
}

/** The bucket of a duration. @param time microseconds */
export function histogramBucket(time: number): number {
  return Math.min(BUCKETS - 1, 32 - Math.clz32((time * 1000) / FIRST_END))
}

/** Where a bucket ends, in whole microseconds. */
export function bucketEnd(bucket: number): number {
  return Math.floor((FIRST_END * 2 ** bucket - 1) / 1000)
}
