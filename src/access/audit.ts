import { type DestinationStream, destination, type Logger, pino } from 'pino'
import { pathFromBytes } from '../config/config.ts'
import { printable } from '../text/printable.ts'
import { shortened } from '../text/shortened.ts'
import type { AuditEvent, AuditedClient, AuditedFacts } from './audit-event.ts'
import { AuditFile } from './audit-file.ts'
import { ExecLines, MAX_NAMES } from './exec-lines.ts'
import type { LostLines } from './lost-lines.ts'

/** If nobody reads standard output any more, lines wait up to this size; the rest is dropped. */
const MAX_UNWRITTEN_BYTES = 16 * 1024 * 1024

/** `audit-log`: a line of JSON for each event that security is about. */
export class AuditLog {
  readonly #logger: Logger
  readonly #stream: DestinationStream
  readonly #lost: LostLines | undefined
  /** Absent while no EXEC runs. */
  #exec: ExecLines | undefined

  /**
   * @param stream where the lines go
   * @param lost gets those that cannot be written
   */
  constructor(stream: DestinationStream, lost?: LostLines) {
    this.#stream = stream
    this.#lost = lost
    const formatters = { level: (label: string) => ({ level: label }) }
    const { isoTime: timestamp } = pino.stdTimeFunctions
    this.#logger = pino({ base: null, timestamp, formatters }, stream)
  }

  /** What follows belongs to one EXEC: of what is alike the first has its line, and the others are counted. */
  beginExec(): void {
    this.#exec = new ExecLines((event, client, facts) => this.#write(event, client, facts))
  }

  endExec(): void {
    this.#exec?.end()
    this.#exec = undefined
  }

  /**
   * Writes a line.
   *
   * @param client absent where it was no client, but a signal or the program that uses the server
   */
  write(event: AuditEvent, client: AuditedClient | undefined, facts: AuditedFacts = {}): void {
    if (this.#exec === undefined || client === undefined) this.#write(event, client, facts)
    else this.#exec.add(event, client, facts)
  }

  #write(event: AuditEvent, client: AuditedClient | undefined, facts: AuditedFacts): void {
    const { command, keys, names, channels, as, by, reason, count } = facts
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
      ...(count !== undefined && { count }),
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
    this.#lost?.end()
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
 * @param lost gets the lines that cannot be written
 * @throws Error with a one-line message if the file cannot be opened
 */
export function openAuditLog(file: string, lost: LostLines): AuditLog | undefined {
  if (file === '') return undefined
  if (file !== 'stdout') return new AuditLog(new AuditFile(pathFromBytes(file), lost), lost)
  // A full pipe must not hold up the clients. pino writes the rest when node exits.
  const output = destination({ dest: 1, sync: false, maxLength: MAX_UNWRITTEN_BYTES })
  output.on('drop', () => lost.add('nobody reads standard output'))
  return new AuditLog(output, lost)
}
