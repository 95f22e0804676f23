// SLOWLOG

import type { SlowRequest } from '../../metrics/slow-log.ts'
import { CommandError } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import type { Client } from '../../request/client.ts'
import type { Command, Flag } from '../../request/command.ts'
import { checkWork } from '../../request/exec-limits.ts'
import { MAX_TRIES_TO_SHOW, mayShow, triesToShow } from '../../request/permission.ts'
import { writeList } from '../../resp/reply-list.ts'
import type { ReplyWriter } from '../../resp/reply-writer.ts'
import { withHelp } from '../subcommand-help.ts'

const FLAGS: readonly Flag[] = ['admin', 'loading', 'stale']
/** How many commands SLOWLOG GET returns by default (Redis). */
const DEFAULT_COUNT = 10

/**
 * @returns how many commands to return; Infinity for -1, which means all
 * @throws CommandError unless the text is an integer from -1 on
 */
function parseCount(text: string | undefined): number {
  if (text === undefined) return DEFAULT_COUNT
  const count = readInteger64(text)
  if (count === undefined || count < -1n) {
    throw new CommandError('ERR count should be greater than or equal to -1')
  }
  return count === -1n ? Number.POSITIVE_INFINITY : Number(count)
}

/** The slow requests that a client may see, the newest first, as far back as not too many patterns are tried. */
function shownRequests(client: Client, count: number): readonly SlowRequest[] {
  const { server, user } = client
  if (user.unrestricted) return server.slowlog.latest(count)
  checkWork(client, 'triedPatterns')
  const shown: SlowRequest[] = []
  let tries = 0
  for (const request of server.slowlog.latest(Number.POSITIVE_INFINITY)) {
    if (shown.length >= count || tries > MAX_TRIES_TO_SHOW) break
    const { args, whole } = request
    const access = whole ? server.findCommand(args)?.access : undefined
    if (access === undefined) continue
    tries += triesToShow(user, access, args)
    if (mayShow(user, access, args)) shown.push(request)
  }
  client.triedPatterns += tries
  return shown
}

/** SLOWLOG GET. */
function replyRequests(client: Client, count: number): void {
  const { reply } = client
  const requests = shownRequests(client, count)
  reply.array(requests.length)
  writeList(reply, requests, writeRequest)
}

function writeRequest(reply: ReplyWriter, request: SlowRequest): void {
  const { id, time, duration, args, address, clientName } = request
  reply.array(6)
  reply.integer(id)
  reply.integer(time)
  reply.integer(duration)
  reply.array(args.length)
  for (const arg of args) reply.bulk(arg)
  reply.bulk(address)
  reply.bulk(clientName)
}

const subcommands: readonly Command[] = [
  {
    name: 'get',
    summary:
      'Returns slow commands, newest first: ID, Unix time, microseconds, arguments, client; -1 for all.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of commands returned',
    arity: -2,
    flags: FLAGS,
    broad: true,
    args: [{ name: 'count', type: 'integer', optional: true }],
    run(client, args) {
      if (args.length > 3) {
        throw new CommandError(
          `ERR unknown subcommand or wrong number of arguments for '${args[1]}'. Try SLOWLOG HELP.`,
        )
      }
      replyRequests(client, parseCount(args[2]))
    },
  },
  {
    name: 'len',
    summary: 'Returns the number of slow commands that are kept.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 2,
    flags: FLAGS,
    broad: true,
    run(client) {
      const { server, user, reply } = client
      const all = user.unrestricted
      reply.integer(all ? server.slowlog.length : shownRequests(client, Infinity).length)
    },
  },
  {
    name: 'reset',
    summary: 'Discards the slow commands.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of commands kept',
    arity: 2,
    flags: FLAGS,
    run({ server, reply }) {
      server.slowlog.clear()
      reply.ok()
    },
  },
]

/** The log of slow commands. */
export const slowlogCommands: readonly Command[] = [
  {
    name: 'slowlog',
    summary: 'Shows the commands that took long.',
    group: 'server',
    since: '0.1.0',
    arity: -2,
    flags: [],
    subcommands: withHelp('slowlog', 'server', subcommands),
  },
]
