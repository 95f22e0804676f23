/**
 * The problem: a start spends much of its time compiling the program.
 *
 * The trick: the build runs the program once, and keeps the code that V8 has compiled in a file
 * beside it. A start gives that file to V8.
 *
 *     build  program.cjs ──▶ compile, run, serve a few requests ──▶ program.cache
 *     start  program.cjs + program.cache ──▶ run
 *            program.cjs, if the cache is missing or not valid ──▶ compile, run
 *
 * The price: a step of the build, and a label that must catch every cache that V8 would not. V8
 * checks its own version and options, and the length of the script. It does not check the text of
 * the script, nor the cache for damage: wrong code would end the process.
 *
 * Gain: 80 instead of 110 ms of processor time until the first reply (bench/HISTORY.md). Can be deleted by letting `main.ts` import `program.cjs`, with
 * `make-code-cache.ts` and its step in the build.
 *
 * @module
 */
import { readFileSync, writeFileSync } from 'node:fs'
import zlib from 'node:zlib'

/** The file for the compiled code of a script. */
function cacheFile(script: string): string {
  return script.replace(/\.cjs$/, '.cache')
}

/** The first line of the file, which ties the code to this Node, this script and its own bytes. */
function label(script: Buffer, code: Buffer): Buffer {
  const checksum = zlib.crc32(code, zlib.crc32(script))
  return Buffer.from(`${process.version} ${process.platform} ${process.arch} ${checksum}\n`)
}

/**
 * Reads the compiled code of a script.
 *
 * @param path of the script
 * @param script its text
 * @returns undefined if there is no code, or if it is damaged or of another text
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

/** Writes the compiled code of a script for {@link readCodeCache}. */
export function writeCodeCache(path: string, script: Buffer, code: Buffer): void {
  writeFileSync(cacheFile(path), Buffer.concat([label(script, code), code]))
}
