/** Enough buckets for half an hour; the last one also counts calls that take longer. */
const BUCKET_COUNT = 32
/** End of Redis's first bucket: 1024 ns, rounded up to the histogram's precision. */
const FIRST_END_NS = 1032

/** An empty histogram of durations; each bucket ends at twice the end of the bucket before it. */
export function newHistogram(): number[] {
  return new Array<number>(BUCKET_COUNT).fill(0)
}

/** The bucket of a duration. @param time microseconds */
export function histogramBucket(time: number): number {
  return Math.min(BUCKET_COUNT - 1, 32 - Math.clz32((time * 1000) / FIRST_END_NS))
}

/** The end of a bucket, in whole microseconds. */
export function bucketEnd(bucket: number): number {
  return Math.floor((FIRST_END_NS * 2 ** bucket - 1) / 1000)
}
