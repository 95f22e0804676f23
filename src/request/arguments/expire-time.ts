import type { Clock } from '../../store/clock.ts'
import type { WriteOptions } from '../../store/store.ts'
import type { Value } from '../../store/value.ts'
import type { Argument, Options } from './argument.ts'
import { CommandError, notAnInteger } from './errors.ts'
import { parseInteger, readInteger64 } from './integer.ts'
import { hasToken } from './token.ts'

/** The end of the year 9999 in Unix milliseconds, because RFC 3339 has no later time. */
const MAX_EXPIRE_TIME_MS = 253_402_300_799_999

/** The four options for the expiry of a node, as in Redis's SET. */
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

/** Whether a request asks for a TTL. @param from where its options begin */
export function hasTtl(request: readonly string[], from: number): boolean {
  return (TTL_ARGUMENT.args ?? []).some(({ token = '' }) => hasToken(request, from, token))
}

const MAX_INTEGER_64 = 2n ** 63n - 1n
/** Integers of up to 11 digits: in milliseconds, and added to a time, a number still holds them. */
const SHORT = /^(?:0|-?[1-9]\d{0,10})$/
const SHORT_POSITIVE = /^[1-9]\d{0,10}$/

const UNITS = [
  { name: 'seconds', factor: 1000, relative: true },
  { name: 'milliseconds', factor: 1, relative: true },
  { name: 'unix-time-seconds', factor: 1000, relative: false },
  { name: 'unix-time-milliseconds', factor: 1, relative: false },
] as const

/**
 * The expiry that a K command's options ask for.
 *
 * @param command the command's name, for the error
 * @returns Unix milliseconds; undefined without such an option
 * @throws CommandError if the value is no integer, not above zero, or beyond the year 9999
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
    if (value > 0 && time <= MAX_EXPIRE_TIME_MS) return time
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
 * The TTL and REFRESH of a K command that writes.
 *
 * @param command the command's name, for the error
 * @param value must be empty on a refresh, which keeps the value (etcd's errors 211 and 212)
 * @throws CommandError if the expiry is bad, or a refresh has a value or no TTL
 */
export function parseWriteOptions(
  options: Options,
  clock: Clock,
  command: string,
  value: Value,
): WriteOptions {
  if (options.size === 0) return NO_OPTIONS
  const expireTime = parseExpireTime(options, clock, command)
  const refresh = options.has('refresh')
  if (refresh && value.length > 0) throw new CommandError('ERR a value was provided on a refresh')
  if (refresh && expireTime === undefined) {
    throw new CommandError('ERR a TTL must be provided on a refresh')
  }
  return { expireTime, refresh }
}

const NO_OPTIONS: WriteOptions = {}

/** The unit of a command's time, and its origin. */
export interface Unit {
  /** Milliseconds per unit. */
  readonly factor: 1 | 1000
  /** Whether time counts from now rather than from 1970. */
  readonly relative: boolean
}

/**
 * The expiry of a key for EXPIRE and its like. As in Redis it may be past, or before 1970.
 *
 * @param base the time to add it to, in Unix milliseconds
 * @param command the command's name, for the error
 * @returns Unix milliseconds
 * @throws CommandError if the text is no integer, or the time needs more than 64 bits
 */
export function parseTime(text: string, { factor }: Unit, base: number, command: string): number {
  if (SHORT.test(text)) return Number(text) * factor + base
  const value = readInteger64(text)
  if (value === undefined) throw notAnInteger()
  const span = value * BigInt(factor)
  const time = span + BigInt(base)
  if (span >= -MAX_INTEGER_64 - 1n && time <= MAX_INTEGER_64) return Number(time)
  throw new CommandError(`ERR invalid expire time in '${command}' command`)
}

export type TtlToken = 'EX' | 'PX' | 'EXAT' | 'PXAT'

export function isTtlToken(token: string): token is TtlToken {
  return token === 'EX' || token === 'PX' || token === 'EXAT' || token === 'PXAT'
}

/**
 * The expiry of a key for SET and its like. Every time that Redis accepts is accepted; the store turns
 * a time beyond the year 9999 into the end of that year.
 *
 * @param text the argument after the token
 * @param command the command's name, for the error
 * @returns Unix milliseconds
 * @throws CommandError if the text is no integer or not above zero, or the time needs more than 64
 * bits
 */
export function parseExpiry(token: TtlToken, text: string, clock: Clock, command: string): number {
  const seconds = token === 'EX' || token === 'EXAT'
  const base = token === 'EX' || token === 'PX' ? clock.now() : 0
  if (SHORT_POSITIVE.test(text)) return Number(text) * (seconds ? 1000 : 1) + base
  const value = readInteger64(text)
  if (value === undefined) throw notAnInteger()
  const time = value * (seconds ? 1000n : 1n) + BigInt(base)
  if (value > 0n && time <= MAX_INTEGER_64) return Number(time)
  throw new CommandError(`ERR invalid expire time in '${command}' command`)
}
