import type { Clock } from '../../store/clock.ts'
import type { WriteOptions } from '../../store/store.ts'
import type { Argument, Options } from './argument.ts'
import { CommandError, notAnInteger } from './errors.ts'
import { parseInteger, readInteger64 } from './integer.ts'

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

const MAX_64 = 2n ** 63n - 1n
/** So short that nothing overflows, whatever it is multiplied by and added to. */
const SHORT = /^(?:0|-?[1-9]\d{0,10})$/
const SHORT_POSITIVE = /^[1-9]\d{0,10}$/

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

/** How a command counts time. */
export interface Unit {
  /** Milliseconds in one. */
  readonly factor: 1 | 1000
  /** From now on, rather than from 1970. */
  readonly relative: boolean
}

/**
 * When a key is to expire. As in Redis it may be long past, or before 1970.
 *
 * @param base Unix milliseconds, from which it is counted
 * @param command the command's name, for the error
 * @returns Unix milliseconds
 * @throws CommandError if it is no integer, or more than 64 bits of milliseconds
 */
export function parseTime(text: string, { factor }: Unit, base: number, command: string): number {
  if (SHORT.test(text)) return Number(text) * factor + base
  const value = readInteger64(text)
  if (value === undefined) throw notAnInteger()
  const span = value * BigInt(factor)
  const time = span + BigInt(base)
  if (span >= -MAX_64 - 1n && time <= MAX_64) return Number(time)
  throw new CommandError(`ERR invalid expire time in '${command}' command`)
}

export type TtlToken = 'EX' | 'PX' | 'EXAT' | 'PXAT'

export function isTtlToken(token: string): token is TtlToken {
  return token === 'EX' || token === 'PX' || token === 'EXAT' || token === 'PXAT'
}

/**
 * When a key expires. All that Redis takes is taken; what lies beyond the year 9999 becomes the end
 * of that year in the store.
 *
 * @param text the argument of the token
 * @param command the command's name, for the error
 * @returns Unix milliseconds
 * @throws CommandError if it is no integer, not above zero, or more than 64 bits of milliseconds
 */
export function parseExpiry(token: TtlToken, text: string, clock: Clock, command: string): number {
  const seconds = token === 'EX' || token === 'EXAT'
  const base = token === 'EX' || token === 'PX' ? clock.now() : 0
  if (SHORT_POSITIVE.test(text)) return Number(text) * (seconds ? 1000 : 1) + base
  const value = readInteger64(text)
  if (value === undefined) throw notAnInteger()
  const time = value * (seconds ? 1000n : 1n) + BigInt(base)
  if (value > 0n && time <= MAX_64) return Number(time)
  throw new CommandError(`ERR invalid expire time in '${command}' command`)
}
