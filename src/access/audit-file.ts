import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'
import { systemReason } from '../text/system-reason.ts'
import type { LostLines } from './lost-lines.ts'

const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants
/** If a pipe is in the place of the file, nobody must wait for its reader. */
const APPEND = O_APPEND | O_CREAT | O_NONBLOCK | O_WRONLY
const LINE_FEED = Buffer.from('\n')

/** A file that each line is written to at once, so that the last one before a crash is there. */
export class AuditFile {
  readonly #path: string
  readonly #lost: LostLines
  #file: number
  /** The last line was written in part, and lost: the next one begins with a line feed. */
  #torn = false

  /** @throws Error with a one-line message if the file cannot be opened */
  constructor(path: string, lost: LostLines) {
    this.#path = path
    this.#lost = lost
    this.#file = this.#open()
  }

  #open(): number {
    try {
      return openSync(this.#path, APPEND, 0o600)
    } catch (error) {
      throw new Error(`cannot open the audit log: ${(error as Error).message}`)
    }
  }

  /** Opens the file anew. @throws Error if it cannot be opened; the former file then stays */
  reopen(): void {
    const former = this.#file
    this.#file = this.#open()
    this.#torn &&= fstatSync(this.#file).size > 0
    closeSync(former)
  }

  write(line: string): void {
    let bytes = Buffer.from(line)
    if (this.#torn) bytes = Buffer.concat([LINE_FEED, bytes])
    const { length } = bytes
    try {
      while (bytes.length > 0) bytes = bytes.subarray(writeSync(this.#file, bytes))
      this.#torn = false
    } catch (error) {
      this.#torn ||= bytes.length < length
      this.#lost.add(systemReason(error))
    }
  }

  end(): void {
    closeSync(this.#file)
  }
}
