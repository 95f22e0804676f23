import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import CRC32C from 'crc-32/crc32c.js'
import { BLOCK_BYTES, HEADER_BYTES } from './log-format.ts'

/** LevelDB adds this to its checksums, turned by 15 bits. */
const MASK = 0xa282ead8

/**
 * Has LevelDB's repair leave out the records of logs whose checksum is wrong, and the rest of their block, because it takes
 * them unchecked. Writes into the logs, which must be copies.
 */
export function leaveOutDamage(tree: string): void {
  for (const name of readdirSync(tree).filter((each) => /^\d+\.log$/.test(each))) {
    const log = readFileSync(join(tree, name))
    if (clearDamage(log)) writeFileSync(join(tree, name), log)
  }
}

/** @returns whether any was found */
function clearDamage(log: Buffer): boolean {
  let found = false
  for (let at = 0; at + HEADER_BYTES <= log.length; ) {
    const left = BLOCK_BYTES - (at % BLOCK_BYTES)
    const end = at + HEADER_BYTES + log.readUInt16LE(at + 4)
    if (left < HEADER_BYTES || end > at + left || end > log.length) {
      at += left
      continue
    }
    const crc = CRC32C.buf(log.subarray(at + 6, end)) >>> 0
    const masked = (((crc >>> 15) | (crc << 17)) + MASK) >>> 0
    if (masked === log.readUInt32LE(at)) {
      at = end
      continue
    }
    // What has neither length nor type ends a block.
    log.fill(0, at, at + HEADER_BYTES)
    found = true
    at += left
  }
  return found
}
