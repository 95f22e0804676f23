import { DEFAULT_USER } from '../../access/password.ts'
import { textOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import { isSubscriber, isUnixSocket } from '../../request/client.ts'

/** The types of clients that Redis's CLIENT LIST and CLIENT KILL tell apart. */
export type ClientType = 'normal' | 'pubsub' | 'replica' | 'master'

const TYPES: ReadonlyMap<string, ClientType> = new Map([
  ['normal', 'normal'],
  ['slave', 'replica'],
  ['replica', 'replica'],
  ['pubsub', 'pubsub'],
  ['master', 'master'],
])

/** The type of a name in any case, or undefined. */
export function findClientType(name: string): ClientType | undefined {
  return TYPES.get(textOf(name).toLowerCase())
}

/** There are neither replicas nor masters. */
export function clientType(client: Client): ClientType {
  return isSubscriber(client) ? 'pubsub' : 'normal'
}

/** Redis's letters, N for none. */
function flagsOf(client: Client): string {
  const flags = [
    client.monitor && 'O',
    isSubscriber(client) && 'P',
    client.transaction !== undefined && 'x',
    client.blocked && 'b',
    client.watched?.touched === true && 'd',
    isUnixSocket(client) && 'U',
    client.noEvict && 'e',
    client.noTouch && 'T',
  ].filter((flag) => flag !== false)
  return flags.join('') || 'N'
}

/**
 * A line of CLIENT LIST, as Redis 7.0 writes it with the names of libraries of 7.2. What a ktree
 * client has not (a file descriptor, buffers kept in reserve) has the value that says so in Redis.
 *
 * @returns without a line feed at the end
 */
export function describeClient(client: Client): string {
  const now = client.server.clock.now()
  const seconds = (since: number): number => Math.max(0, Math.floor((now - since) / 1000))
  const input = client.bufferedInput
  const output = client.bufferedOutput
  // Redis's two places for output: what is being gathered, and what piles up since nobody reads it.
  const { transaction } = client
  const queued = transaction?.bytes ?? 0
  const gathered = client.reply.length
  const unread = output - gathered
  return [
    `id=${client.id} addr=${client.address} laddr=${client.localAddress} fd=-1`,
    `name=${client.name} age=${seconds(client.createdAt)} idle=${seconds(client.lastRequestAt)}`,
    `flags=${flagsOf(client)} db=0 sub=${client.channelCount} psub=${client.patternCount} ssub=0`,
    `multi=${transaction?.requests.length ?? -1} qbuf=${input} qbuf-free=0 argv-mem=0`,
    `multi-mem=${queued} rbs=0 rbp=0`,
    `obl=${gathered} oll=${unread > 0 ? 1 : 0} omem=${unread} tot-mem=${input + output + queued} events=r`,
    `cmd=${client.lastCommand || 'NULL'} user=${DEFAULT_USER} redir=-1`,
    `resp=${client.reply.protocol} lib-name=${client.libraryName} lib-ver=${client.libraryVersion}`,
  ].join(' ')
}
