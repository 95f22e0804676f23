import { DEFAULT_USER } from '../../access/password.ts'
import { CommandError, syntaxError } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import { textOf, tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import { type ClientType, clientType, findClientType } from './client-info.ts'

interface Filter {
  id?: bigint
  type?: ClientType
  address?: string
  localAddress?: string
  skipSelf: boolean
}

/** @throws CommandError unless there is a type of this name */
export function parseClientType(name: string): ClientType {
  const type = findClientType(name)
  if (type === undefined) throw new CommandError(`ERR Unknown client type '${textOf(name)}'`)
  return type
}

function parseYesNo(text: string): boolean {
  const token = tokenOf(text)
  if (token !== 'YES' && token !== 'NO') throw syntaxError()
  return token === 'YES'
}

function parseId(text: string): bigint {
  const id = readInteger64(text)
  if (id === undefined || id < 1n) {
    throw new CommandError('ERR client-id should be greater than 0')
  }
  return id
}

/** Reads `option value` pairs; of an option given twice the last one counts (Redis). */
function parseFilter(args: readonly string[]): Filter {
  const filter: Filter = { skipSelf: true }
  for (let i = 2; i < args.length; i += 2) {
    if (i + 1 === args.length) throw syntaxError()
    const value = args[i + 1]
    switch (tokenOf(args[i])) {
      case 'ID':
        filter.id = parseId(value)
        break
      case 'TYPE':
        filter.type = parseClientType(value)
        break
      case 'ADDR':
        filter.address = value
        break
      case 'LADDR':
        filter.localAddress = value
        break
      case 'USER':
        // All clients are this user.
        if (value !== DEFAULT_USER) throw new CommandError(`ERR No such user '${textOf(value)}'`)
        break
      case 'SKIPME':
        filter.skipSelf = parseYesNo(value)
        break
      default:
        throw syntaxError()
    }
  }
  return filter
}

function isMatch(client: Client, { id, type, address, localAddress }: Filter): boolean {
  return (
    (id === undefined || BigInt(client.id) === id) &&
    (type === undefined || clientType(client) === type) &&
    (address === undefined || client.address === address) &&
    (localAddress === undefined || client.localAddress === localAddress)
  )
}

/** Ends the connections that match, the caller's own among them after its reply. */
function kill(self: Client, filter: Filter): number {
  let killed = 0
  // A copy, for the clients leave the map as they are closed.
  for (const client of [...self.server.clients.values()]) {
    if ((client === self && filter.skipSelf) || !isMatch(client, filter)) continue
    client.close()
    killed++
  }
  return killed
}

/**
 * CLIENT KILL: `address`, which may be one's own and answers OK, or filters, which answer how many
 * clients were disconnected.
 *
 * @throws CommandError
 */
export function killClients(client: Client, args: readonly string[]): void {
  if (args.length === 3) {
    const killed = kill(client, { address: args[2], skipSelf: false })
    if (killed === 0) throw new CommandError('ERR No such client')
    client.reply.ok()
    return
  }
  client.reply.integer(kill(client, parseFilter(args)))
}
