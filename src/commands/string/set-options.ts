import { TTL_ARGUMENT } from '../../request/arguments/expire-time.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import { type Argument, CommandError, notAnInteger, syntaxError } from '../../request/command.ts'
import type { Clock } from '../../store/clock.ts'

export type TtlToken = 'EX' | 'PX' | 'EXAT' | 'PXAT'

/** The options of SET and GETEX. */
export interface StringOptions {
  condition?: 'NX' | 'XX' | 'IFEQ' | 'IFNE'
  /** What IFEQ and IFNE compare with. */
  comparand?: string
  get?: true
  /** EX and its like, with its argument. */
  ttl?: { readonly token: TtlToken; readonly text: string }
  /** KEEPTTL. */
  keeps?: true
  /** PERSIST. */
  persists?: true
}

const TTL_MEMBERS = TTL_ARGUMENT.args ?? []

/** SET's options, as COMMAND DOCS tells them. */
export const SET_OPTIONS: readonly Argument[] = [
  {
    name: 'condition',
    type: 'oneof',
    optional: true,
    args: [
      { name: 'nx', type: 'pure-token', token: 'NX' },
      { name: 'xx', type: 'pure-token', token: 'XX' },
      { name: 'ifeq-value', type: 'string', token: 'IFEQ' },
      { name: 'ifne-value', type: 'string', token: 'IFNE' },
    ],
  },
  { name: 'get', type: 'pure-token', token: 'GET', optional: true },
  {
    name: 'expiration',
    type: 'oneof',
    optional: true,
    args: [...TTL_MEMBERS, { name: 'keepttl', type: 'pure-token', token: 'KEEPTTL' }],
  },
]

/** GETEX's. */
export const GETEX_OPTIONS: readonly Argument[] = [
  {
    name: 'expiration',
    type: 'oneof',
    optional: true,
    args: [...TTL_MEMBERS, { name: 'persist', type: 'pure-token', token: 'PERSIST' }],
  },
]

/**
 * Reads them as Redis 7.0 does, not by the declaration: one given twice is no error, and the last
 * one holds. IFEQ and IFNE are those of Redis 8.4; they stand alone.
 *
 * @param args the whole request
 * @param from where the options begin
 * @throws CommandError a syntax error
 */
export function parseStringOptions(
  args: readonly string[],
  from: number,
  command: 'set' | 'getex',
): StringOptions {
  const options: StringOptions = {}
  const set = command === 'set'
  for (let i = from; i < args.length; i++) {
    const token = tokenOf(args[i])
    const last = i === args.length - 1
    if (set && (token === 'NX' || token === 'XX')) {
      if ((options.condition ?? token) !== token) throw syntaxError()
      options.condition = token
    } else if (set && (token === 'IFEQ' || token === 'IFNE')) {
      if (options.condition !== undefined || last) throw syntaxError()
      options.condition = token
      options.comparand = args[++i]
    } else if (set && token === 'GET') {
      options.get = true
    } else if (token === (set ? 'KEEPTTL' : 'PERSIST')) {
      if (options.ttl !== undefined) throw syntaxError()
      if (set) options.keeps = true
      else options.persists = true
    } else if (isTtlToken(token)) {
      const other = (options.ttl?.token ?? token) !== token
      if (other || options.keeps || options.persists || last) throw syntaxError()
      options.ttl = { token, text: args[++i] }
    } else {
      throw syntaxError()
    }
  }
  return options
}

function isTtlToken(token: string): token is TtlToken {
  return token === 'EX' || token === 'PX' || token === 'EXAT' || token === 'PXAT'
}

const MAX_64 = 2n ** 63n - 1n
/** So short that nothing overflows, whatever it is multiplied by and added to. */
const SHORT = /^[1-9]\d{0,10}$/

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
  if (SHORT.test(text)) return Number(text) * (seconds ? 1000 : 1) + base
  const value = readInteger64(text)
  if (value === undefined) throw notAnInteger()
  const time = value * (seconds ? 1000n : 1n) + BigInt(base)
  if (value > 0n && time <= MAX_64) return Number(time)
  throw new CommandError(`ERR invalid expire time in '${command}' command`)
}
