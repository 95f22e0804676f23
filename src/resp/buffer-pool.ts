/**
 * The problem: replies need a Buffer for a moment, on every connection. A Buffer per connection
 * would have left the processor's cache by the next request, and a new Buffer costs an allocation.
 *
 * The trick: the Buffer given back last is taken first, because it is most likely still in the
 * cache.
 *
 * The price: up to 512 KB of each length stay allocated, and a Buffer given back too early would be
 * overwritten by another client's reply.
 *
 * Gain: see bench/HISTORY.md. Can be deleted by calling `Buffer.allocUnsafe` in `ReplyWriter`.
 *
 * @module
 */

/** Lengths of pooled Buffers, as powers of two: from 1 KB to 256 KB. */
const MIN_POWER = 10
const MAX_POWER = 18
/** The most bytes of free Buffers that are kept of each length. */
const MAX_FREE_BYTES = 512 * 1024

/** Buffers not in use, by the power of two. */
const free: Buffer[][] = Array.from({ length: MAX_POWER + 1 }, () => [])

/** Takes a Buffer of at least `length` bytes, which are not cleared. */
export function takeBuffer(length: number): Buffer {
  const power = Math.max(MIN_POWER, 32 - Math.clz32(length - 1))
  if (power > MAX_POWER) return Buffer.allocUnsafeSlow(2 ** power)
  return free[power].pop() ?? Buffer.allocUnsafeSlow(2 ** power)
}

/** Gives back a Buffer from {@link takeBuffer} that nobody reads any more. */
export function giveBuffer(buffer: Buffer): void {
  const { length } = buffer
  if (length === 0 || length > 2 ** MAX_POWER) return
  const same = free[31 - Math.clz32(length)]
  if ((same.length + 1) * length <= MAX_FREE_BYTES) same.push(buffer)
}
