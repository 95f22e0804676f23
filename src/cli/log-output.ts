import { closeSync, constants, fchmodSync, fstatSync, openSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { pathFromBytes } from '../config/config.ts'

/** Lines that may wait for a reader that has stopped, in bytes; further ones are lost. */
export const MAX_WAITING_BYTES = 16 * 1024 * 1024
/** How often a reader that has stopped is tried again. */
const RETRY_INTERVAL_MS = 100
/** How long the end waits for a reader that has stopped. */
const END_GRACE_MS = 1000
const STANDARD_OUTPUT = 1
const LINE_FEED = Buffer.from('\n')

/** With these, writing to a pipe or a terminal fails instead of waiting, as does opening a pipe. */
const OPEN_FLAGS =
  constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK | constants.O_NOCTTY

/**
 * Where the log goes: a file, or standard output. It never makes the server wait, and never throws:
 * a line that cannot be written is lost, and counted.
 *
 *     full disk, closed pipe ─▶ the line is lost
 *     full pipe ─────────────▶ lines wait, up to {@link MAX_WAITING_BYTES}; the rest is lost
 *
 * Lines are written one by one and at once, because a line of a crash must not wait for a thread.
 * Node.js waits for its threads when it exits, and one that writes to a full pipe would never end.
 */
export class LogOutput {
  readonly isTerminal: boolean
  /** The path of the file; empty for standard output. */
  readonly #file: string
  #descriptor: number
  /** The mode that new files get from the umask of the program's start. */
  readonly #mode: number
  #lost = 0
  #waiting: Buffer[] = []
  #waitingBytes = 0
  /** The line that waits first has been written in part. */
  #begun = false
  /** The last line was written in part, and lost: the next one begins with a line feed. */
  #torn = false
  #retry: NodeJS.Timeout | undefined

  /**
   * @param file the directive `logfile`: a path as a binary string; empty for standard output
   * @param umask of the program's start
   * @throws the system's error if the file cannot be opened
   */
  constructor(file: string, umask: number) {
    this.#file = pathFromBytes(file)
    this.#mode = 0o666 & ~umask
    this.isTerminal = file === '' && isatty(STANDARD_OUTPUT)
    this.#descriptor = file === '' ? standardOutput() : this.#open()
  }

  /** Count of the lines that could not be written. */
  get lost(): number {
    return this.#lost
  }

  /** Writes a line, with its line feed. */
  write(line: string): void {
    const bytes = Buffer.from(line)
    if (this.#waiting.length === 0) {
      const rest = this.#put(bytes)
      if (rest !== undefined) this.#keep(rest)
    } else if (this.#waitingBytes + bytes.length > MAX_WAITING_BYTES) this.#lost++
    else this.#keep(bytes)
  }

  /**
   * Opens the file anew, because a tool may have moved it. Does nothing on standard output.
   *
   * @throws the system's error if it cannot be opened; the log then stays with the former file
   */
  reopen(): void {
    if (this.#file === '') return
    const former = this.#descriptor
    this.#descriptor = this.#open()
    closeSync(former)
  }

  /** Resolves when all lines are written, or after {@link END_GRACE_MS}: what waits then is lost. */
  async end(): Promise<void> {
    const deadline = performance.now() + END_GRACE_MS
    while (this.#waiting.length > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_INTERVAL_MS / 10))
      this.#writeWaiting()
    }
    clearTimeout(this.#retry)
  }

  #open(): number {
    try {
      return openSync(this.#file, OPEN_FLAGS)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    const descriptor = openSync(this.#file, OPEN_FLAGS | constants.O_CREAT, this.#mode)
    // The program's own umask is stricter, for the sake of the data.
    fchmodSync(descriptor, this.#mode)
    return descriptor
  }

  #keep(bytes: Buffer): void {
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined
      this.#writeWaiting()
    }, RETRY_INTERVAL_MS).unref()
  }

  #writeWaiting(): void {
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    for (const [i, bytes] of waiting.entries()) {
      const rest = this.#put(bytes)
      if (rest === undefined) continue
      this.#keep(rest)
      for (const later of waiting.slice(i + 1)) this.#keep(later)
      return
    }
  }

  /**
   * Writes as much of a line as is taken without waiting.
   *
   * @returns the rest, if it has to wait; a line that is refused is lost
   */
  #put(line: Buffer): Buffer | undefined {
    let bytes = this.#torn ? Buffer.concat([LINE_FEED, line]) : line
    try {
      while (bytes.length > 0) {
        bytes = bytes.subarray(writeSync(this.#descriptor, bytes))
        this.#begun = true
        this.#torn = false
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return this.#torn ? line : bytes
      this.#torn ||= this.#begun
      this.#lost++
    }
    this.#begun = false
    return undefined
  }
}

/** An error on standard output is counted when its line is written; Node.js tells of it once more. */
function counted(): void {}

/**
 * The descriptor for standard output. A pipe or a terminal is opened anew: on a descriptor of its
 * own, the log can switch waiting off without switching it off for others that write there too.
 * That is possible for these two only.
 */
function standardOutput(): number {
  try {
    // A file keeps its descriptor, because others that write there share its position.
    if (fstatSync(STANDARD_OUTPUT).isFile()) return STANDARD_OUTPUT
    return openSync(`/proc/self/fd/${STANDARD_OUTPUT}`, OPEN_FLAGS)
  } catch {
    // A socket, a system without /proc, or somebody else's pipe: Node.js makes it one that never
    // waits, if it is no terminal. An error is then reported twice, and must not end the process.
    // Added once, however many logs there are.
    process.stdout.off('error', counted).on('error', counted)
    return STANDARD_OUTPUT
  }
}
