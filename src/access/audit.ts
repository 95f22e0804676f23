import { closeSync, constants, openSync, writeFileSync } from 'node:fs'
import { type DestinationStream, destination, type Logger, pino } from 'pino'
import { pathFromBytes } from '../config/config.ts'
import { printable } from '../text/printable.ts'
import { shortened } from '../text/shortened.ts'

/** If nobody reads standard output any more, lines wait up to this size; the rest is dropped. */
const MAX_UNWRITTEN_BYTES = 16 * 1024 * 1024

const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants
/** If a pipe is in the place of the file, nobody must wait for its reader. */
const APPEND = O_APPEND | O_CREAT | O_NONBLOCK | O_WRONLY

/** Who did it. */
export interface AuditedClient {
  readonly id: number
  /** `host:port`, or `path:0` of a Unix socket. */
  readonly address: string
  readonly user: { readonly name: string }
}

/** What a line tells besides who it was. All strings are binary; no values and no passwords. */
export interface AuditedFacts {
  /** The command's full name. */
  readonly command?: string
  readonly keys?: readonly string[]
  /** Users or directives. */
  readonly names?: readonly string[]
  /** Whom somebody has tried to log in as. */
  readonly as?: string
  /** `certificate`, for a login without a password. */
  readonly by?: string
  /** `command`, `key` or `channel`: what was denied. */
  readonly reason?: string
  readonly channels?: readonly string[]
}

export type AuditEvent =
  | 'login'
  | 'login-failed'
  | 'denied'
  | 'users'
  | 'configuration'
  | 'certificates'
  | 'shutdown'
  | 'recover'
  | 'flush'

/** The most keys, channels or names that a line tells of. */
const MAX_NAMES = 32

/** `audit-log`: a line of JSON for each event that security is about. */
export class AuditLog {
  readonly #logger: Logger
  readonly #stream: DestinationStream

  /** @param stream where the lines go */
  constructor(stream: DestinationStream) {
    this.#stream = stream
    const formatters = { level: (label: string) => ({ level: label }) }
    const { isoTime: timestamp } = pino.stdTimeFunctions
    this.#logger = pino({ base: null, timestamp, formatters }, stream)
  }

  /**
   * Writes a line.
   *
   * @param client absent where it was no client, but a signal or the program that uses the server
   */
  write(event: AuditEvent, client: AuditedClient | undefined, facts: AuditedFacts = {}): void {
    const { command, keys, names, channels, as, by, reason } = facts
    const line = {
      event,
      ...(client !== undefined && {
        user: printable(client.user.name),
        client: client.id,
        address: printable(client.address),
      }),
      ...(command !== undefined && { command: printable(command) }),
      ...(reason !== undefined && { reason }),
      ...(as !== undefined && { as: printable(shortened(as)) }),
      ...(by !== undefined && { by }),
      ...list('keys', keys),
      ...list('channels', channels),
      ...list('names', names),
    }
    if (event === 'denied' || event === 'login-failed') this.#logger.warn(line)
    else this.#logger.info(line)
  }

  /**
   * Opens the file anew, because a tool may have moved it. Does nothing on standard output.
   *
   * @throws Error if it cannot be opened; the log then stays with the former file
   */
  reopen(): void {
    if (this.#stream instanceof AuditFile) this.#stream.reopen()
  }

  close(): void {
    // Standard output is not ours to end.
    if (this.#stream instanceof AuditFile) this.#stream.end()
  }
}

function list(name: string, all: readonly string[] | undefined): Record<string, unknown> {
  if (all === undefined || all.length === 0) return {}
  const shown = all.slice(0, MAX_NAMES).map((each) => printable(shortened(each)))
  return { [name]: shown, ...(all.length > MAX_NAMES && { more: all.length - MAX_NAMES }) }
}

/**
 * The log that the directive `audit-log` asks for: a file, which is appended to, `stdout`, or none.
 *
 * @param onError told when a line could not be written
 * @throws Error with a one-line message if the file cannot be opened
 */
export function openAuditLog(
  file: string,
  onError: (error: unknown) => void,
): AuditLog | undefined {
  if (file === '') return undefined
  if (file !== 'stdout') return new AuditLog(new AuditFile(pathFromBytes(file), onError))
  // A full pipe must not hold up the clients. pino writes the rest when node exits.
  return new AuditLog(destination({ dest: 1, sync: false, maxLength: MAX_UNWRITTEN_BYTES }))
}

/** A file that each line is written to at once, so that the last one before a crash is there. */
class AuditFile implements DestinationStream {
  readonly #path: string
  #file: number
  readonly #onError: (error: unknown) => void

  constructor(path: string, onError: (error: unknown) => void) {
    this.#path = path
    this.#onError = onError
    this.#file = this.#open()
  }

  #open(): number {
    try {
      return openSync(this.#path, APPEND, 0o600)
    } catch (error) {
      throw new Error(`cannot open the audit log: ${(error as Error).message}`)
    }
  }

  reopen(): void {
    const former = this.#file
    this.#file = this.#open()
    closeSync(former)
  }

  write(line: string): void {
    try {
      writeFileSync(this.#file, line)
    } catch (error) {
      this.#onError(error)
    }
  }

  end(): void {
    closeSync(this.#file)
  }
}
