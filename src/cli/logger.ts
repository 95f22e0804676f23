import { createRequire } from 'node:module'
import { type Level, type Logger, pino } from 'pino'
import type { LogLevel } from '../config/directives.ts'
import { LogOutput } from './log-output.ts'

const levels: Readonly<Record<LogLevel, Level | 'silent'>> = {
  debug: 'trace',
  verbose: 'debug',
  notice: 'info',
  warning: 'warn',
  nothing: 'silent',
}

/**
 * The pino level for a loglevel. Redis has two levels below notice, and pino has two below info: a
 * message only for `debug` is logged with `logger.trace`.
 */
export function pinoLevel(level: LogLevel): Level | 'silent' {
  return levels[level]
}

export interface LoggerOptions {
  readonly level: LogLevel
  /** The directive `logfile`: a path as a binary string; empty for standard output. */
  readonly file: string
  /** The umask of the program's start. */
  readonly umask: number
}

/** The server's log, and where it goes. */
export interface Log {
  readonly logger: Logger
  readonly output: LogOutput
}

/**
 * Makes the server's log: JSON, one object a line, or coloured text on a terminal.
 *
 * @throws Error with a one-line message if the file cannot be opened
 */
export function createLog({ level, file, umask }: LoggerOptions): Log {
  const output = openOutput(file, umask)
  const hooks = { streamWrite: withoutControls }
  const options = { level: pinoLevel(level), base: { pid: process.pid }, hooks }
  return { output, logger: pino(options, output.isTerminal ? coloured(output) : output) }
}

function openOutput(file: string, umask: number): LogOutput {
  try {
    return new LogOutput(file, umask)
  } catch (error) {
    throw new Error(`cannot open the log file: ${(error as Error).message}`)
  }
}

/** A backslash and what it escapes, or a raw control character that JSON need not escape. */
const CONTROLS = /\\(?:u00([01][0-9a-f])|.)|[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g

/**
 * Escapes what a terminal would obey in a line of JSON, because clients may have sent it. The line
 * is then harmless both as it is and with its strings decoded. Line feeds and tabs stay, because
 * stacks hold them.
 */
export function withoutControls(json: string): string {
  return json.replace(CONTROLS, (found, code: string | undefined) => {
    if (code !== undefined) return `\\\\x${code}`
    return found.startsWith('\\') && !/^\\[bfr]$/.test(found) ? found : escaped(found)
  })
}

function escaped(found: string): string {
  const char = found.startsWith('\\') ? (JSON.parse(`"${found}"`) as string) : found
  return `\\\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`
}

function coloured(output: LogOutput): { write(line: string): void } {
  // Loaded only for a terminal, because it takes a fifth of the time of a start.
  const require = createRequire(import.meta.url)
  const { prettyFactory } = require('pino-pretty') as typeof import('pino-pretty')
  const format = prettyFactory({ colorize: true })
  return { write: (line) => output.write(format(line)) }
}
