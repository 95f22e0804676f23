// EXPIRE · PEXPIRE · EXPIREAT · PEXPIREAT · PERSIST

import { pathOfKey } from '../../keyspace/key.ts'
import type { Argument } from '../../request/arguments/argument.ts'
import { KEY } from '../../request/arguments/argument.ts'
import { CommandError } from '../../request/arguments/errors.ts'
import { parseTime, type Unit } from '../../request/arguments/expire-time.ts'
import { textOf, tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { MAX_EXPIRE_TIME } from '../../store/tree/ttl-heap.ts'

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

/** Shared by the commands of this file and of ttl.ts. */
export const ONE_KEY = {
  group: 'generic',
  since: '0.1.0',
  complexity: 'O(1)',
  keys: [1, 1, 1],
} as const

/**
 * Parses the conditions of a request, which come in any order, repeated or not.
 *
 * @throws CommandError if a condition is unknown, or excludes another one
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

/**
 * Whether the conditions allow a new expiry.
 *
 * @param time the new expiry, in Unix milliseconds
 * @param current the present one; undefined means never
 */
function isAllowed(
  conditions: ReadonlySet<string>,
  time: number,
  current: number | undefined,
): boolean {
  if (current === undefined) return !conditions.has('XX') && !conditions.has('GT')
  if (conditions.has('NX')) return false
  // The time is compared as the store would keep it.
  const kept = Math.min(time, MAX_EXPIRE_TIME)
  if (conditions.has('GT') && kept <= current) return false
  return !conditions.has('LT') || kept < current
}

/** EXPIRE, PEXPIRE, EXPIREAT and PEXPIREAT. A directory expires with all nodes below it. */
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
  else server.keyspace.update(args[1], node.dir ? '' : node.value, time)
  server.keyspace.notify(past ? 'del' : 'expire', args[1])
  reply.integer(1)
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
    reach: 'directory',
    args: [KEY, { name: argument, type }, CONDITION],
    run: (client, args) => expire(client, args, unit, name),
  }
}

/** Setting when keys expire. */
export const expireCommands: readonly Command[] = [
  expireCommand('expire', 'Sets the TTL of a key, in seconds.', { factor: 1000, relative: true }),
  expireCommand('pexpire', 'Sets the TTL of a key, in milliseconds.', {
    factor: 1,
    relative: true,
  }),
  expireCommand('expireat', 'Sets the time when a key expires, in Unix seconds.', {
    factor: 1000,
    relative: false,
  }),
  expireCommand('pexpireat', 'Sets the time when a key expires, in Unix milliseconds.', {
    factor: 1,
    relative: false,
  }),
  {
    name: 'persist',
    summary: 'Removes the TTL of a key.',
    ...ONE_KEY,
    arity: 2,
    flags: ['write', 'fast'],
    reach: 'directory',
    args: [KEY],
    run(client, args) {
      const { server } = client
      const node = server.store.lookup(pathOfKey(args[1]))
      const expires = node !== undefined && node.lease !== null
      if (expires) {
        server.keyspace.update(args[1], node.dir ? '' : node.value, undefined)
        server.keyspace.notify('persist', args[1])
      }
      client.reply.integer(expires ? 1 : 0)
    },
  },
]
