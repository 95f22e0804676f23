import { openSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type DestinationStream, destination, type Level, type Logger, pino } from 'pino'
import { pathFromBytes } from '../config/config.ts'
import type { LogLevel } from '../config/directives.ts'

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

/** How much log may wait for a reader that has stopped; further lines are dropped. */
const MAX_UNWRITTEN_BYTES = 16 * 1024 * 1024

function openLogFile(file: string): number {
  try {
    return openSync(pathFromBytes(file), 'a')
  } catch (error) {
    throw new Error(`cannot open the log file: ${(error as Error).message}`)
  }
}

function openDestination(file: string): DestinationStream {
  if (file === '' && process.stdout.isTTY) {
    // Loaded only for a terminal, because it takes a fifth of the time of a start.
    const require = createRequire(import.meta.url)
    const { build: pretty } = require('pino-pretty') as typeof import('pino-pretty')
    return pretty({ colorize: true, sync: true })
  }
  const dest = file === '' ? 1 : openLogFile(file)
  // Not sync, because a full pipe must not hold up clients. pino writes the rest when node exits.
  return destination({ dest, sync: false, maxLength: MAX_UNWRITTEN_BYTES })
}

export interface LoggerOptions {
  readonly level: LogLevel
  /** The directive `logfile`: a path as a binary string; empty for standard output. */
  readonly file: string
}

/**
 * Makes the server's log: JSON, one object a line, or coloured text on a terminal.
 * @throws Error with a one-line message if the file cannot be opened
 */
export function createLogger({ level, file }: LoggerOptions): Logger {
  return pino({ level: pinoLevel(level), base: { pid: process.pid } }, openDestination(file))
}
