/**
 * The problem: when more than 128 KB at the end of its heap are free, glibc gives them back to the
 * system. The next large value then has to get them again, with a page fault for every 4 KB. That is
 * most of the time that it takes to make a Buffer of 100 KB.
 *
 * The trick: once glibc has seen a large piece freed, of up to 32 MB, it keeps that much free memory.
 * So before the first large value such a piece is taken and let go. It is never written to, so it
 * takes no memory.
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
