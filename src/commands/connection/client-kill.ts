import type { User } from '../../access/user.ts'
import { CommandError, syntaxError } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import { textOf, tokenOf } from '../../request/arguments/token.ts'
import type { Client, ServerContext } from '../../request/client.ts'
import { type ClientType, clientType, findClientType } from '../../request/client-info.ts'

/** An ID above 0 that a number holds exactly. No client has a larger one. */
const SHORT_ID = /^[1-9]\d{0,14}$/

/** The clients that CLIENT KILL ends. */
interface Filter {
  id?: number | bigint
  type?: ClientType
  address?: string
  localAddress?: string
  user?: User
  skipSelf: boolean
}

/** The type with this name, in any case. @throws CommandError if there is none */
export function parseClientType(name: string): ClientType {
  const type = findClientType(name)
  if (type === undefined) throw new CommandError(`ERR Unknown client type '${textOf(name)}'`)
  return type
}

/** @throws CommandError unless the text is YES or NO, in any case */
function parseYesNo(text: string): boolean {
  const token = tokenOf(text)
  if (token !== 'YES' && token !== 'NO') throw syntaxError()
  return token === 'YES'
}

/** @throws CommandError unless the text is an integer above 0 */
function parseId(text: string): number | bigint {
  if (SHORT_ID.test(text)) return Number(text)
  const id = readInteger64(text)
  if (id === undefined || id < 1n) {
    throw new CommandError('ERR client-id should be greater than 0')
  }
  return id
}

/** Parses pairs of an option and its value. Of repeated options the last one counts (Redis). */
function parseFilter({ users }: ServerContext, args: readonly string[]): Filter {
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
      case 'USER': {
        const user = users.get(value)
        if (user === undefined) throw new CommandError(`ERR No such user '${textOf(value)}'`)
        filter.user = user
        break
      }
      case 'SKIPME':
        filter.skipSelf = parseYesNo(value)
        break
      default:
        throw syntaxError()
    }
  }
  return filter
}

function isMatch(client: Client, { id, type, address, localAddress, user }: Filter): boolean {
  return (
    (id === undefined || client.id === id) &&
    (type === undefined || clientType(client) === type) &&
    (address === undefined || client.address === address) &&
    (localAddress === undefined || client.localAddress === localAddress) &&
    (user === undefined || client.user === user)
  )
}

/**
 * Ends the connections that match. The caller's own one ends after its reply.
 *
 * @returns how many clients were disconnected
 */
function kill(self: Client, filter: Filter): number {
  let killed = 0
  // The loop needs a copy, because clients leave the map when they are closed.
  for (const client of [...self.server.clients.values()]) {
    if ((client === self && filter.skipSelf) || !isMatch(client, filter)) continue
    client.drop()
    killed++
  }
  return killed
}

/**
 * CLIENT KILL. Given an address, which may be the caller's own, it replies OK. Given filters, it
 * replies with the number of clients that were disconnected.
 *
 * @throws CommandError if no client has the address, or the options are wrong
 */
export function killClients(client: Client, args: readonly string[]): void {
  if (args.length === 3) {
    const killed = kill(client, { address: args[2], skipSelf: false })
    if (killed === 0) throw new CommandError('ERR No such client')
    client.reply.ok()
    return
  }
  client.reply.integer(kill(client, parseFilter(client.server, args)))
}
