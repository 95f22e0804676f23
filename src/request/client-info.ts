import { textOf } from './arguments/token.ts'
import { type Client, isSubscriber, keptBytes } from './client.ts'

/** The types of clients that CLIENT LIST and CLIENT KILL select by (Redis). */
export type ClientType = 'normal' | 'pubsub' | 'replica' | 'master'

const TYPES: ReadonlyMap<string, ClientType> = new Map([
  ['normal', 'normal'],
  ['slave', 'replica'],
  ['replica', 'replica'],
  ['pubsub', 'pubsub'],
  ['master', 'master'],
])

/** The type with this name, in any case, or undefined. */
export function findClientType(name: string): ClientType | undefined {
  return TYPES.get(textOf(name).toLowerCase())
}

/** A client's type. No client is a replica or a master. */
export function clientType(client: Client): ClientType {
  return isSubscriber(client) ? 'pubsub' : 'normal'
}

/** The flags of CLIENT LIST, in Redis's letters; `N` for none. */
function flagsOf(client: Client): string {
  const flags = [
    client.monitor && 'O',
    isSubscriber(client) && 'P',
    client.transaction !== undefined && 'x',
    client.blocked && 'b',
    client.watched?.touched === true && 'd',
    client.isUnixSocket && 'U',
    client.noEvict && 'e',
    client.noTouch && 'T',
  ].filter((flag) => flag !== false)
  return flags.join('') || 'N'
}

/** Where ACL LOG says that a request of a client was denied. */
export function contextOf({ transaction, executing }: Client): 'toplevel' | 'multi' {
  return transaction !== undefined || executing ? 'multi' : 'toplevel'
}

/**
 * A line of CLIENT LIST as in Redis 7.0, with the library's name and version as in 7.2. Fields
 * without a counterpart in ktree (file descriptor, spare buffers) have the value for none in Redis.
 *
 * @returns the line without a line feed
 */
export function describeClient(client: Client): string {
  const { clock } = client.server
  const seconds = (ms: number): number => Math.max(0, Math.floor(ms / 1000))
  const age = seconds(clock.now() - client.createdAt)
  const idle = seconds(clock.elapsed() - client.lastRequestAt)
  const input = client.bufferedInput
  const output = client.bufferedOutput
  const { transaction } = client
  const queued = transaction?.bytes ?? 0
  // Redis shows two kinds of output: replies being gathered, and replies not yet read.
  const gathered = client.reply.length
  const unread = output - gathered
  return [
    `id=${client.id} addr=${client.address} laddr=${client.localAddress} fd=-1`,
    `name=${client.name} age=${age} idle=${idle}`,
    `flags=${flagsOf(client)} db=0 sub=${client.channelCount} psub=${client.patternCount} ssub=0`,
    `multi=${transaction?.requests.length ?? -1} qbuf=${input} qbuf-free=0 argv-mem=0`,
    `multi-mem=${queued} rbs=0 rbp=0`,
    `obl=${gathered} oll=${unread > 0 ? 1 : 0} omem=${unread} tot-mem=${input + output + keptBytes(client)} events=r`,
    `cmd=${client.lastCommand || 'NULL'} user=${client.user.name} redir=-1`,
    `resp=${client.reply.protocol} lib-name=${client.libraryName} lib-ver=${client.libraryVersion}`,
  ].join(' ')
}
