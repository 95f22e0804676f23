// HELLO · AUTH

import { CommandError } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import { textOf, tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import type { Command, Flag } from '../../request/command.ts'
import { logIn, logInAsDefault } from '../../request/login.ts'
import { redisVersion } from '../../version.ts'
import { setClientName } from './client-name.ts'

/** The flags of commands that a client may call before AUTH. */
export const OPEN_FLAGS: readonly Flag[] = [
  'noscript',
  'loading',
  'stale',
  'fast',
  'no_auth',
  'allow_busy',
]

/** HELLO's reply, in the protocol just chosen. */
function replyHello(client: Client): void {
  const { reply } = client
  reply.map(7)
  reply.bulk('server')
  reply.bulk('redis')
  reply.bulk('version')
  reply.bulk(redisVersion)
  reply.bulk('proto')
  reply.integer(reply.protocol)
  reply.bulk('id')
  reply.integer(client.id)
  reply.bulk('mode')
  reply.bulk('standalone')
  reply.bulk('role')
  reply.bulk('master')
  reply.bulk('modules')
  reply.array(0)
}

/** @throws CommandError unless the text is 2 or 3 */
function parseProtocol(text: string): 2 | 3 {
  const version = readInteger64(text)
  if (version === undefined) {
    throw new CommandError('ERR Protocol version is not an integer or out of range')
  }
  if (version === 2n) return 2
  if (version === 3n) return 3
  throw new CommandError('NOPROTO unsupported protocol version')
}

/**
 * Applies HELLO's options one after the other, even if a later one is refused (Redis).
 *
 * @throws CommandError
 */
function applyHelloOptions(client: Client, args: readonly string[]): void {
  for (let i = 2; i < args.length; i++) {
    const option = tokenOf(args[i])
    const following = args.length - 1 - i
    if (option === 'AUTH' && following >= 2) {
      logIn(client, args[i + 1], args[i + 2], args[0])
      i += 2
    } else if (option === 'SETNAME' && following >= 1) {
      setClientName(client, args[++i])
    } else {
      throw new CommandError(`ERR Syntax error in HELLO option '${textOf(args[i])}'`)
    }
  }
}

/** Choosing the protocol, and authenticating. */
export const helloCommands: readonly Command[] = [
  {
    name: 'hello',
    summary: 'Chooses the protocol version, and describes the server.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: -1,
    flags: OPEN_FLAGS,
    args: [
      {
        name: 'arguments',
        type: 'block',
        optional: true,
        args: [
          { name: 'protover', type: 'integer' },
          {
            name: 'auth',
            type: 'block',
            token: 'AUTH',
            optional: true,
            args: [
              { name: 'username', type: 'string' },
              { name: 'password', type: 'string' },
            ],
          },
          { name: 'clientname', type: 'string', token: 'SETNAME', optional: true },
        ],
      },
    ],
    secrets(args) {
      const secrets: number[] = []
      for (let i = 2; i < args.length; i++) {
        const option = tokenOf(args[i])
        if (option === 'AUTH') secrets.push(++i, ++i)
        else if (option === 'SETNAME') i++
      }
      return secrets
    },
    run(client, args) {
      const protocol = args.length > 1 ? parseProtocol(args[1]) : client.reply.protocol
      applyHelloOptions(client, args)
      if (!client.authenticated) {
        throw new CommandError(
          'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
        )
      }
      client.reply.protocol = protocol
      replyHello(client)
    },
  },
  {
    name: 'auth',
    summary: 'Authenticates the connection as a user; with a password only, as "default".',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: -2,
    flags: OPEN_FLAGS,
    args: [
      { name: 'username', type: 'string', optional: true },
      { name: 'password', type: 'string' },
    ],
    secrets: (args) => args.map((_, i) => i).slice(1),
    run(client, args) {
      if (args.length > 3) throw new CommandError('ERR syntax error')
      if (args.length === 2) logInAsDefault(client, args[1], args[0])
      else logIn(client, args[1], args[2], args[0])
      client.reply.ok()
    },
  },
]
