// TTL · PTTL · EXPIRETIME · PEXPIRETIME

import { pathOfKey } from '../../keyspace/key.ts'
import { KEY } from '../../request/arguments/argument.ts'
import type { Unit } from '../../request/arguments/expire-time.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { ONE_KEY } from './expire.ts'

/** Replies with a key's TTL or expiry time; with -2 if there is no key, -1 if it has no TTL. */
function replyTime(client: Client, key: string, { factor, relative }: Unit): void {
  const { server, reply } = client
  const node = server.store.lookup(pathOfKey(key))
  server.keyspace.noteRead(key, node !== undefined)
  const expireTime = node?.lease?.expireTime
  if (expireTime === undefined) {
    reply.integer(node === undefined ? -2 : -1)
    return
  }
  const ms = relative ? Math.max(0, expireTime - server.clock.now()) : expireTime
  reply.integer(factor === 1 ? ms : Math.floor((ms + 500) / 1000))
}

function timeCommand(name: string, summary: string, unit: Unit): Command {
  return {
    name,
    summary,
    ...ONE_KEY,
    arity: 2,
    flags: ['readonly', 'fast'],
    reach: 'node',
    args: [KEY],
    run: (client, args) => replyTime(client, args[1], unit),
  }
}

/** Asking when keys expire. */
export const ttlCommands: readonly Command[] = [
  timeCommand('ttl', 'Returns the time until a key expires, in seconds.', {
    factor: 1000,
    relative: true,
  }),
  timeCommand('pttl', 'Returns the time until a key expires, in milliseconds.', {
    factor: 1,
    relative: true,
  }),
  timeCommand('expiretime', 'Returns the time when a key expires, in Unix seconds.', {
    factor: 1000,
    relative: false,
  }),
  timeCommand('pexpiretime', 'Returns the time when a key expires, in Unix milliseconds.', {
    factor: 1,
    relative: false,
  }),
]
