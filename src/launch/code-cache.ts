import { readFileSync, writeFileSync } from 'node:fs'
import zlib from 'node:zlib'

/** Where the code is kept that V8 has compiled of a script. */
function cacheFile(script: string): string {
  return script.replace(/\.cjs$/, '.cache')
}

/**
 * The line that compiled code must follow. V8 compares its own version and options, but no more of
 * the script than its length, and it does not look for damage: wrong code would end the process.
 */
function label(script: Buffer, code: Buffer): Buffer {
  const checksum = zlib.crc32(code, zlib.crc32(script))
  return Buffer.from(`${process.version} ${process.platform} ${process.arch} ${checksum}\n`)
}

/**
 * Reads the compiled code of a script.
 *
 * @param path the script's
 * @param script its text
 * @returns undefined if there is none, or none that is whole and of this very text
 */
export function readCodeCache(path: string, script: Buffer): Buffer | undefined {
  try {
    const file = readFileSync(cacheFile(path))
    const start = file.indexOf('\n') + 1
    const code = file.subarray(start)
    return file.subarray(0, start).equals(label(script, code)) ? code : undefined
  } catch {
    return undefined
  }
}

/** Keeps the compiled code of a script for {@link readCodeCache}. */
export function writeCodeCache(path: string, script: Buffer, code: Buffer): void {
  writeFileSync(cacheFile(path), Buffer.concat([label(script, code), code]))
}
