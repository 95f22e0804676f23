/** The lengths of pooled Buffers, as powers of two: from 1 KB to 256 KB. */
const SHORTEST = 10
const LONGEST = 18
/** How many bytes of each length are kept at the most. */
const KEPT = 512 * 1024

/** Those not in use, by the power of two. */
const free: Buffer[][] = Array.from({ length: LONGEST + 1 }, () => [])

/**
 * A Buffer of at least so many bytes, not cleared. The last one given back comes first: it is most
 * likely still in the processor's cache, where one Buffer a connection would not be.
 */
export function takeBuffer(length: number): Buffer {
  const power = Math.max(SHORTEST, 32 - Math.clz32(length - 1))
  if (power > LONGEST) return Buffer.allocUnsafeSlow(2 ** power)
  return free[power].pop() ?? Buffer.allocUnsafeSlow(2 ** power)
}

/** Gives back a Buffer of {@link takeBuffer} that nobody reads any more. */
export function giveBuffer(buffer: Buffer): void {
  const { length } = buffer
  if (length === 0 || length > 2 ** LONGEST) return
  const same = free[31 - Math.clz32(length)]
  if ((same.length + 1) * length <= KEPT) same.push(buffer)
}
