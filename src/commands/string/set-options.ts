import type { Argument } from '../../request/arguments/argument.ts'
import { syntaxError } from '../../request/arguments/errors.ts'
import { isTtlToken, TTL_ARGUMENT, type TtlToken } from '../../request/arguments/expire-time.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import { textOfValue, type Value } from '../../store/value.ts'

/** The options of SET and GETEX. */
export interface StringOptions {
  condition?: 'NX' | 'XX' | 'IFEQ' | 'IFNE'
  /** The value that IFEQ or IFNE compares with. */
  comparand?: Value
  get?: true
  /** EX, PX, EXAT or PXAT, with its argument. */
  ttl?: { readonly token: TtlToken; readonly text: string }
  /** KEEPTTL. */
  keeps?: true
  /** PERSIST. */
  persists?: true
}

const TTL_MEMBERS = TTL_ARGUMENT.args ?? []

/** SET's options, as COMMAND DOCS describes them. */
export const SET_OPTIONS: readonly Argument[] = [
  {
    name: 'condition',
    type: 'oneof',
    optional: true,
    args: [
      { name: 'nx', type: 'pure-token', token: 'NX' },
      { name: 'xx', type: 'pure-token', token: 'XX' },
      { name: 'ifeq-value', type: 'string', token: 'IFEQ', value: true },
      { name: 'ifne-value', type: 'string', token: 'IFNE', value: true },
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

/** GETEX's options, as COMMAND DOCS describes them. */
export const GETEX_OPTIONS: readonly Argument[] = [
  {
    name: 'expiration',
    type: 'oneof',
    optional: true,
    args: [...TTL_MEMBERS, { name: 'persist', type: 'pure-token', token: 'PERSIST' }],
  },
]

/**
 * Parses the options by hand, because Redis 7.0 accepts an option twice and takes the last; the
 * declared parser would refuse it. IFEQ and IFNE are from Redis 8.4, and exclude any other
 * condition.
 *
 * @param args the whole request
 * @param from the position of the first option
 * @throws CommandError a syntax error
 */
export function parseStringOptions(
  args: readonly Value[],
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
      options.ttl = { token, text: textOfValue(args[++i]) }
    } else {
      throw syntaxError()
    }
  }
  return options
}
