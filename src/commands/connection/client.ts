// CLIENT

import type { Argument } from '../../request/arguments/argument.ts'
import { CommandError, syntaxError } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import { clientType, describeClient } from '../../request/client-info.ts'
import type { Command, Flag } from '../../request/command.ts'
import { writeList } from '../../resp/reply-list.ts'
import { withHelp } from '../subcommand-help.ts'
import { killClients, parseClientType } from './client-kill.ts'
import { isShowable, keptClientName, setClientName } from './client-name.ts'
import { pauseClients } from './client-pause.ts'
import { replyTrackingInfo, setTracking } from './client-tracking.ts'

const FLAGS: readonly Flag[] = ['noscript', 'loading', 'stale']
const ADMIN_FLAGS: readonly Flag[] = ['admin', ...FLAGS]

const token = (name: string): Argument => ({
  name,
  type: 'pure-token',
  token: name.toUpperCase(),
})
const ON_OFF: Argument = { name: 'enabled', type: 'oneof', args: [token('on'), token('off')] }
const TYPE: Argument = {
  name: 'client-type',
  type: 'oneof',
  token: 'TYPE',
  args: ['normal', 'master', 'replica', 'pubsub'].map(token),
}
const KILL_FILTERS: readonly Argument[] = [
  { name: 'client-id', type: 'integer', token: 'ID' },
  TYPE,
  { name: 'username', type: 'string', token: 'USER' },
  { name: 'address', type: 'string', token: 'ADDR' },
  { name: 'local-address', type: 'string', token: 'LADDR' },
  { name: 'skip-me', type: 'oneof', token: 'SKIPME', args: ['yes', 'no'].map(token) },
]

/** An ID that a number holds exactly. */
const SHORT_ID = /^(?:0|-?[1-9]\d{0,14})$/

/** @throws CommandError unless the text is ON or OFF, in any case */
function parseOnOff(text: string): boolean {
  const token = tokenOf(text)
  if (token !== 'ON' && token !== 'OFF') throw syntaxError()
  return token === 'ON'
}

/** The clients that CLIENT LIST selects. Unknown IDs are ignored. @throws CommandError */
function selectClients({ server }: Client, args: readonly string[]): Client[] {
  const filter = tokenOf(args[2] ?? '')
  if (args.length === 2) return [...server.clients.values()]
  if (args.length === 4 && filter === 'TYPE') {
    const type = parseClientType(args[3])
    return [...server.clients.values()].filter((client) => clientType(client) === type)
  }
  if (args.length < 4 || filter !== 'ID') throw syntaxError()
  const found: Client[] = []
  for (let i = 3; i < args.length; i++) {
    // An ID of more digits than a number holds is nobody's.
    const id = SHORT_ID.test(args[i]) ? Number(args[i]) : readInteger64(args[i])
    if (id === undefined) throw new CommandError('ERR Invalid client ID')
    const client = typeof id === 'number' ? server.clients.get(id) : undefined
    if (client !== undefined) found.push(client)
  }
  return found
}

/** A line for each client. The same one may be asked for a million times. */
function replyClients(reply: Client['reply'], clients: readonly Client[]): void {
  const lines = new Map<Client, string>()
  let length = 0
  let ownBytes = 0
  const listed = clients.map((each) => {
    let line = lines.get(each)
    if (line === undefined) {
      line = `${describeClient(each)}\n`
      lines.set(each, line)
      ownBytes += line.length
    }
    length += line.length
    return line
  })
  reply.verbatimHeader('txt', length)
  writeList(reply, [...listed, '\r\n'], (writer, line) => writer.raw(line), ownBytes)
}

/** CLIENT SETINFO: the name or version of the client's library (Redis 7.2). @throws CommandError */
function setInfo(client: Client, name: string, value: string): void {
  const lower = name.toLowerCase()
  if (lower !== 'lib-name' && lower !== 'lib-ver') {
    throw new CommandError(`ERR Unrecognized option '${name}'`)
  }
  if (!isShowable(value)) {
    throw new CommandError(`ERR ${name} cannot contain spaces, newlines or special characters.`)
  }
  const kept = keptClientName(value, lower)
  if (lower === 'lib-name') client.libraryName = kept
  else client.libraryVersion = kept
}

/** CLIENT REPLY. Only sets the mode: the connection mutes and unmutes replies at each request. */
function setReplyMode(client: Client, mode: string): void {
  switch (tokenOf(mode)) {
    case 'ON':
      client.replyMode = 'on'
      client.reply.muted = false
      client.reply.ok()
      break
    case 'OFF':
      client.replyMode = 'off'
      break
    case 'SKIP':
      if (client.replyMode !== 'off') client.replyMode = 'skip'
      break
    default:
      throw syntaxError()
  }
}

const subcommands: readonly Command[] = [
  {
    name: 'id',
    summary: "Returns the connection's ID.",
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 2,
    flags: FLAGS,
    run(client) {
      client.reply.integer(client.id)
    },
  },
  {
    name: 'getname',
    summary: "Returns the connection's name.",
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 2,
    flags: FLAGS,
    run(client) {
      client.reply.bulkOrNull(client.name === '' ? null : client.name)
    },
  },
  {
    name: 'setname',
    summary: 'Names the connection; an empty name removes the former one.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 3,
    flags: FLAGS,
    args: [{ name: 'connection-name', type: 'string' }],
    run(client, args) {
      setClientName(client, args[2])
      client.reply.ok()
    },
  },
  {
    name: 'setinfo',
    summary: "Sets the name or version of the connection's client library.",
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 4,
    flags: FLAGS,
    args: [
      {
        name: 'attr',
        type: 'oneof',
        args: [
          { name: 'libname', type: 'string', token: 'LIB-NAME' },
          { name: 'libver', type: 'string', token: 'LIB-VER' },
        ],
      },
    ],
    run(client, args) {
      setInfo(client, args[2], args[3])
      client.reply.ok()
    },
  },
  {
    name: 'info',
    summary: 'Describes the connection.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 2,
    flags: FLAGS,
    run(client) {
      client.reply.verbatim('txt', `${describeClient(client)}\n`)
    },
  },
  {
    name: 'list',
    summary: 'Describes all connections, those of a type, or those with the given IDs.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of clients',
    arity: -2,
    flags: ADMIN_FLAGS,
    broad: true,
    args: [
      { ...TYPE, optional: true },
      { name: 'client-id', type: 'integer', token: 'ID', optional: true, multiple: true },
    ],
    run(client, args) {
      replyClients(client.reply, selectClients(client, args))
    },
  },
  {
    name: 'kill',
    summary: 'Disconnects the clients that match.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of clients',
    arity: -3,
    flags: ADMIN_FLAGS,
    broad: true,
    args: [
      {
        name: 'filter',
        type: 'oneof',
        args: [
          { name: 'ip:port', type: 'string' },
          { name: 'filters', type: 'oneof', multiple: true, args: KILL_FILTERS },
        ],
      },
    ],
    run: killClients,
  },
  {
    name: 'reply',
    summary: 'Turns replies on or off, or skips the next one.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 3,
    flags: FLAGS,
    args: [{ name: 'mode', type: 'oneof', args: ['on', 'off', 'skip'].map(token) }],
    run(client, args) {
      setReplyMode(client, args[2])
    },
  },
  {
    name: 'no-evict',
    summary: 'Spares the client when clients are disconnected because all together keep too much.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 3,
    flags: ADMIN_FLAGS,
    args: [ON_OFF],
    run(client, args) {
      client.noEvict = parseOnOff(args[2])
      client.reply.ok()
    },
  },
  {
    name: 'no-touch',
    summary: 'Sets a flag that CLIENT LIST shows; reading never changes a node.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 3,
    flags: FLAGS,
    args: [ON_OFF],
    run(client, args) {
      client.noTouch = parseOnOff(args[2])
      client.reply.ok()
    },
  },
  {
    name: 'pause',
    summary: 'Delays all requests, or those that write, for some milliseconds.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: -3,
    flags: ADMIN_FLAGS,
    args: [
      { name: 'timeout', type: 'integer' },
      { name: 'mode', type: 'oneof', optional: true, args: ['write', 'all'].map(token) },
    ],
    run: pauseClients,
  },
  {
    name: 'unpause',
    summary: 'Ends CLIENT PAUSE, and serves the requests that wait.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of clients that wait',
    arity: 2,
    flags: ADMIN_FLAGS,
    run({ server, reply }) {
      server.pause.finish()
      reply.ok()
    },
  },
  {
    name: 'tracking',
    summary: 'Accepts only OFF, because there is no client-side caching.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: -3,
    flags: FLAGS,
    args: [{ name: 'status', type: 'oneof', args: ['on', 'off'].map(token) }],
    run: setTracking,
  },
  {
    name: 'trackinginfo',
    summary: 'Says that tracking is off, because there is no client-side caching.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 2,
    flags: FLAGS,
    run: replyTrackingInfo,
  },
  {
    name: 'getredir',
    summary: 'Returns -1, because there is no client-side caching.',
    group: 'connection',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 2,
    flags: FLAGS,
    run(client) {
      client.reply.integer(-1)
    },
  },
]

/** Asking about connections, and managing them. */
export const clientCommands: readonly Command[] = [
  {
    name: 'client',
    summary: 'Shows and manages connections.',
    group: 'connection',
    since: '0.1.0',
    arity: -2,
    flags: [],
    subcommands: withHelp('client', 'connection', subcommands),
  },
]
