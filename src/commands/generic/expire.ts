import { noteRead, pathOfKey, updateKey } from '../../keyspace/keyspace.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import { textOf, tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import { type Argument, type Command, CommandError, notAnInteger } from '../../request/command.ts'
import { MAX_EXPIRE_TIME } from '../../store/tree/ttl-heap.ts'

const KEY: Argument = { name: 'key', type: 'key' }

const CONDITION: Argument = {
  name: 'condition',
  type: 'oneof',
  optional: true,
  args: ['NX', 'XX', 'GT', 'LT'].map((token) => ({
    name: token.toLowerCase(),
    type: 'pure-token',
    token,
  })),
}

const ONE_KEY = {
  group: 'generic',
  since: '0.1.0',
  complexity: 'O(1)',
  keys: [1, 1, 1],
} as const

/** How a command counts time. */
interface Unit {
  /** Milliseconds in one. */
  readonly factor: 1 | 1000
  /** From now on, rather than from 1970. */
  readonly relative: boolean
}

const MAX_64 = 2n ** 63n - 1n
/** So short that nothing overflows, whatever it is multiplied by and added to. */
const SHORT = /^(?:0|-?[1-9]\d{0,10})$/

/**
 * When a key is to expire. As in Redis it may be long past, or before 1970.
 *
 * @param base Unix milliseconds, from which it is counted
 * @param command the command's name, for the error
 * @returns Unix milliseconds
 * @throws CommandError if it is no integer, or more than 64 bits of milliseconds
 */
function parseTime(text: string, { factor }: Unit, base: number, command: string): number {
  if (SHORT.test(text)) return Number(text) * factor + base
  const value = readInteger64(text)
  if (value === undefined) throw notAnInteger()
  const span = value * BigInt(factor)
  const time = span + BigInt(base)
  if (span >= -MAX_64 - 1n && time <= MAX_64) return Number(time)
  throw new CommandError(`ERR invalid expire time in '${command}' command`)
}

/**
 * The conditions of a request, in any order, repeated or not.
 *
 * @throws CommandError if one is unknown, or does not go with another
 */
function parseConditions(args: readonly string[]): ReadonlySet<string> {
  const conditions = new Set<string>()
  for (let i = 3; i < args.length; i++) {
    const condition = tokenOf(args[i])
    if (!['NX', 'XX', 'GT', 'LT'].includes(condition)) {
      throw new CommandError(`ERR Unsupported option ${textOf(args[i])}`)
    }
    conditions.add(condition)
  }
  if (conditions.has('NX') && conditions.size > 1) {
    throw new CommandError('ERR NX and XX, GT or LT options at the same time are not compatible')
  }
  if (conditions.has('GT') && conditions.has('LT')) {
    throw new CommandError('ERR GT and LT options at the same time are not compatible')
  }
  return conditions
}

const NO_CONDITIONS: ReadonlySet<string> = new Set()

/** @param current when it expires now; undefined counts as never */
function isAllowed(
  conditions: ReadonlySet<string>,
  time: number,
  current: number | undefined,
): boolean {
  if (current === undefined) return !conditions.has('XX') && !conditions.has('GT')
  if (conditions.has('NX')) return false
  // As it would be kept: no time is later than the last that can be written down.
  const kept = Math.min(time, MAX_EXPIRE_TIME)
  if (conditions.has('GT') && kept <= current) return false
  return !conditions.has('LT') || kept < current
}

/** EXPIRE and its like; a directory expires with all below it. */
function expire(client: Client, args: readonly string[], unit: Unit, command: string): void {
  const { server, reply } = client
  const conditions = args.length === 3 ? NO_CONDITIONS : parseConditions(args)
  const now = server.clock.now()
  const time = parseTime(args[2], unit, unit.relative ? now : 0, command)
  const path = pathOfKey(args[1])
  const node = server.store.lookup(path)
  if (node === undefined || !isAllowed(conditions, time, node.lease?.expireTime)) {
    reply.integer(0)
    return
  }
  const past = time <= now
  if (past) server.store.delete(path, { recursive: true })
  else updateKey(client, args[1], node.dir ? '' : node.value, time)
  server.notifyKeyspace(past ? 'del' : 'expire', args[1])
  reply.integer(1)
}

/** TTL and its like: -2 where there is nothing, -1 where it does not expire. */
function replyTime(client: Client, key: string, { factor, relative }: Unit): void {
  const { server, reply } = client
  const node = server.store.lookup(pathOfKey(key))
  noteRead(client, key, node !== undefined)
  const expireTime = node?.lease?.expireTime
  if (expireTime === undefined) {
    reply.integer(node === undefined ? -2 : -1)
    return
  }
  const ms = relative ? Math.max(0, expireTime - server.clock.now()) : expireTime
  reply.integer(factor === 1 ? ms : Math.floor((ms + 500) / 1000))
}

function expireCommand(name: string, summary: string, unit: Unit): Command {
  const [argument, type] = unit.relative
    ? ([unit.factor === 1 ? 'milliseconds' : 'seconds', 'integer'] as const)
    : ([`unix-time-${unit.factor === 1 ? 'milliseconds' : 'seconds'}`, 'unix-time'] as const)
  return {
    name,
    summary,
    ...ONE_KEY,
    arity: -3,
    flags: ['write', 'fast'],
    args: [KEY, { name: argument, type }, CONDITION],
    run: (client, args) => expire(client, args, unit, name),
  }
}

function timeCommand(name: string, summary: string, unit: Unit): Command {
  return {
    name,
    summary,
    ...ONE_KEY,
    arity: 2,
    flags: ['readonly', 'fast'],
    args: [KEY],
    run: (client, args) => replyTime(client, args[1], unit),
  }
}

/** When keys expire. */
export const expireCommands: readonly Command[] = [
  expireCommand('expire', 'Gives a key a TTL, in seconds.', { factor: 1000, relative: true }),
  expireCommand('pexpire', 'Gives a key a TTL, in milliseconds.', { factor: 1, relative: true }),
  expireCommand('expireat', 'Tells when a key shall expire, in Unix seconds.', {
    factor: 1000,
    relative: false,
  }),
  expireCommand('pexpireat', 'Tells when a key shall expire, in Unix milliseconds.', {
    factor: 1,
    relative: false,
  }),
  timeCommand('ttl', 'Tells how long a key has still to live, in seconds.', {
    factor: 1000,
    relative: true,
  }),
  timeCommand('pttl', 'Tells how long a key has still to live, in milliseconds.', {
    factor: 1,
    relative: true,
  }),
  timeCommand('expiretime', 'Tells when a key expires, in Unix seconds.', {
    factor: 1000,
    relative: false,
  }),
  timeCommand('pexpiretime', 'Tells when a key expires, in Unix milliseconds.', {
    factor: 1,
    relative: false,
  }),
  {
    name: 'persist',
    summary: 'Takes the TTL of a key away.',
    ...ONE_KEY,
    arity: 2,
    flags: ['write', 'fast'],
    args: [KEY],
    run(client, args) {
      const { server } = client
      const node = server.store.lookup(pathOfKey(args[1]))
      const expires = node !== undefined && node.lease !== null
      if (expires) {
        updateKey(client, args[1], node.dir ? '' : node.value, undefined)
        server.notifyKeyspace('persist', args[1])
      }
      client.reply.integer(expires ? 1 : 0)
    },
  },
]
