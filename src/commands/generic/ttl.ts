// TTL · PTTL · EXPIRETIME · PEXPIRETIME

import { pathOfKey } from '../../keyspace/key.ts'
import { KEY } from '../../request/arguments/argument.ts'
import type { Unit } from '../../request/arguments/expire-time.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { ONE_KEY } from './expire.ts'
/** TTL and its like: -2 where there is nothing, -1 where it does not expire. */
export function replyTime(client: Client, key: string, { factor, relative }: Unit): void {
  const { server, reply } = client
  const node = server.store.lookup(pathOfKey(key))
  client.server.keyspace.noteRead(key, node !== undefined)
  const expireTime = node?.lease?.expireTime
  if (expireTime === undefined) {
    reply.integer(node === undefined ? -2 : -1)
    return
  }
  const ms = relative ? Math.max(0, expireTime - server.clock.now()) : expireTime
  reply.integer(factor === 1 ? ms : Math.floor((ms + 500) / 1000))
}

export function timeCommand(name: string, summary: string, unit: Unit): Command {
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

/** TTL and its kin. */
export const ttlCommands: readonly Command[] = [
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
]
