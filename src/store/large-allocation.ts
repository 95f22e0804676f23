/**
 * The problem: of each free memory at its end that is longer than 128 KB, glibc gives back to the
 * system what was freed, and the next large value pays for it anew: a page fault for every 4 KB,
 * most of the time that it takes to make a Buffer of 100 KB.
 *
 * The trick: glibc stops doing so for as much memory as it has once seen freed in one piece, of up
 * to 32 MB. So before the first large value such a piece is taken and let go. It is never written
 * to, so it takes no memory.
 *
 * The price: up to 64 MB that are free stay with the process. It depends on glibc; elsewhere it does
 * nothing.
 *
 * Gain: see docs/decisions/0012. Can be deleted by calling `Buffer.allocUnsafeSlow`.
 *
 * @module
 */

/** A little less than the largest piece that glibc learns from. */
const LESSON_BYTES = 30 * 1024 * 1024

let taught = false

/** Memory for a large value, which is not cleared. @throws RangeError if there is none */
export function allocateLarge(length: number): Buffer {
  if (!taught) {
    taught = true
    // Nobody keeps it: the next collection frees it.
    Buffer.allocUnsafeSlow(LESSON_BYTES)
  }
  return Buffer.allocUnsafeSlow(length)
}
