import type { Clock } from '../../store/clock.ts'
import type { WriteOptions } from '../../store/store.ts'
import { type Argument, CommandError, type Options } from '../command.ts'
import { parseInteger } from './integer.ts'

/** The last moment that RFC 3339 can name, the end of the year 9999, in Unix milliseconds. */
const MAX_EXPIRE_TIME = 253_402_300_799_999

/** The four ways to say when a node expires, as Redis's SET has them. */
export const TTL_ARGUMENT: Argument = {
  name: 'ttl',
  type: 'oneof',
  optional: true,
  args: [
    { name: 'seconds', type: 'integer', token: 'EX' },
    { name: 'milliseconds', type: 'integer', token: 'PX' },
    { name: 'unix-time-seconds', type: 'unix-time', token: 'EXAT' },
    { name: 'unix-time-milliseconds', type: 'unix-time', token: 'PXAT' },
  ],
}

const UNITS = [
  { name: 'seconds', factor: 1000, relative: true },
  { name: 'milliseconds', factor: 1, relative: true },
  { name: 'unix-time-seconds', factor: 1000, relative: false },
  { name: 'unix-time-milliseconds', factor: 1, relative: false },
] as const

/**
 * The absolute expiry that the options ask for, in Unix milliseconds.
 *
 * @param command the command's name, for the error
 * @throws CommandError if it is no integer, not above zero, or beyond the year 9999
 */
export function parseExpireTime(
  options: Options,
  clock: Clock,
  command: string,
): number | undefined {
  if (options.size === 0) return undefined
  for (const { name, factor, relative } of UNITS) {
    const text = options.get(name)
    if (text === undefined) continue
    const value = parseInteger(text)
    const time = value * factor + (relative ? clock.now() : 0)
    if (value > 0 && time <= MAX_EXPIRE_TIME) return time
    throw new CommandError(`ERR invalid expire time in '${command}' command`)
  }
  return undefined
}

export const REFRESH_ARGUMENT: Argument = {
  name: 'refresh',
  type: 'pure-token',
  token: 'REFRESH',
  optional: true,
}

/**
 * The TTL and REFRESH of a write.
 *
 * @param value must be empty on a refresh, which keeps the value (etcd's 211 and 212)
 * @throws CommandError
 */
export function parseWriteOptions(
  options: Options,
  clock: Clock,
  command: string,
  value: string,
): WriteOptions {
  if (options.size === 0) return NO_OPTIONS
  const expireTime = parseExpireTime(options, clock, command)
  const refresh = options.has('refresh')
  if (refresh && value !== '') throw new CommandError('ERR a value was provided on a refresh')
  if (refresh && expireTime === undefined) {
    throw new CommandError('ERR a TTL must be provided on a refresh')
  }
  return { expireTime, refresh }
}

const NO_OPTIONS: WriteOptions = {}
