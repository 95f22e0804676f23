// CONFIG

import { DEFAULT_USER } from '../../access/user.ts'
import { ConfigError } from '../../config/config.ts'
import { type DirectiveName, describeDirective, findDirective } from '../../config/directives.ts'
import { type RewrittenUsers, rewriteConfigFile } from '../../config/rewrite.ts'
import { formatUserLine } from '../../config/user-lines.ts'
import { CommandError, syntaxError } from '../../request/arguments/errors.ts'
import { checkPattern } from '../../request/arguments/pattern.ts'
import { textOf } from '../../request/arguments/token.ts'
import type { Client, ServerContext } from '../../request/client.ts'
import type { Command, Flag } from '../../request/command.ts'
import { replyLater } from '../../request/reply-later.ts'
import { checkRoomToDescribe } from '../../request/room.ts'
import { systemReason } from '../../text/system-reason.ts'
import { withHelp } from '../subcommand-help.ts'

const FLAGS: readonly Flag[] = ['admin', 'noscript', 'loading', 'stale']

/**
 * Marks a CONFIG GET argument as a glob. An argument without these characters is a directive's
 * name; the reply repeats it in the client's spelling.
 */
const GLOB = /[*?[]/

/** Directives whose change starts work on the disk, for which the reply waits. */
const SLOW_DIRECTIVES = ['dir', 'durability']
const NOT_IN_MULTI = `ERR ${SLOW_DIRECTIVES.join(' and ')} cannot be changed inside a transaction`

/** Whether a directive's value is a password. @param name in any case */
function isSecret(name: string): boolean {
  const known = findDirective(name)
  return known !== undefined && describeDirective(known).secret === true
}

/** CONFIG GET: each directive that a pattern names or matches, once. */
function getDirectives({ server, reply }: Client, patterns: readonly string[]): void {
  const found = new Map<DirectiveName, string>()
  for (const pattern of patterns) {
    const exact = GLOB.test(pattern) ? undefined : findDirective(pattern)
    if (exact !== undefined && !found.has(exact)) found.set(exact, pattern)
    if (!GLOB.test(pattern)) continue
    checkPattern(pattern)
    for (const name of server.config.match([pattern])) if (!found.has(name)) found.set(name, name)
  }
  reply.map(found.size)
  for (const [name, shown] of found) {
    reply.bulk(shown)
    reply.bulk(server.config.format(name))
  }
}

/** CONFIG SET: sets all of the directives or none. @throws CommandError */
function setDirectives(client: Client, args: readonly string[]): void {
  const { server, executing, isLocal } = client
  const { config } = server
  if (args.length % 2 !== 0) throw syntaxError()
  const pairs: [string, string][] = []
  for (let i = 2; i < args.length; i += 2) pairs.push([args[i], args[i + 1]])
  const slow = pairs.some(([name]) => SLOW_DIRECTIVES.includes(name.toLowerCase()))
  if (executing && slow) throw new CommandError(NOT_IN_MULTI)
  try {
    const allowed = config.get('enable-protected-configs')
    config.setMany(pairs, allowed === 'yes' || (allowed === 'local' && isLocal))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const { directive } = error
    // A name from a client is shown as far as C would show it: up to a NUL.
    throw new CommandError(`ERR ${error.message.replace(directive, () => textOf(directive))}`)
  }
}

/** Users who are kept in an ACL file have no lines in the conf file. */
function usersForRewrite({ config, memory, users }: ServerContext): RewrittenUsers {
  const own = config.get('aclfile') === '' ? users.all : []
  checkRoomToDescribe(memory, own)
  const plain = users.isPlainDefault(config.get('requirepass'))
  return {
    lines: new Map(
      own.map((user) => [user.name, formatUserLine(user.name, user.describeForFile())]),
    ),
    optional: new Set(plain ? [DEFAULT_USER] : []),
    isSame: (name, rules) => users.isDefinedBy(name, rules),
  }
}

/** CONFIG REWRITE. @throws CommandError if there is no conf file, or it cannot be written */
function rewriteFile(server: ServerContext): void {
  const { config, configFile, logger } = server
  if (server.persistenceChanges.isChanging) {
    throw new CommandError(
      'ERR dir or durability is being changed, and the change may fail: try later',
    )
  }
  if (configFile === undefined) {
    throw new CommandError('ERR The server is running without a config file')
  }
  const users = usersForRewrite(server)
  try {
    rewriteConfigFile(configFile, config, users)
  } catch (error) {
    logger.warn({ err: error }, 'CONFIG REWRITE failed')
    throw new CommandError(`ERR Rewriting config file: ${systemReason(error)}`)
  }
  logger.warn({ file: configFile }, 'CONFIG REWRITE has written the conf file')
}

/** CONFIG RESETSTAT. Keeps the store's counters (KSTATS), which are part of its saved state. */
function resetStats({ stats, commandStats }: ServerContext): void {
  stats.connectionsReceived = 0
  stats.connectionsRejected = 0
  stats.commandsProcessed = 0
  stats.inputBytes = 0
  stats.outputBytes = 0
  stats.unexpectedErrors = 0
  stats.errorReplies = 0
  stats.errorCodes.clear()
  stats.keyspaceHits = 0
  stats.keyspaceMisses = 0
  stats.outputLimitDisconnections = 0
  // Each object is kept and cleared, because the code that counts holds a reference to it.
  for (const each of commandStats.values()) {
    each.calls = 0
    each.time = 0
    each.rejectedCalls = 0
    each.failedCalls = 0
    each.histogram.fill(0)
  }
}

const subcommands: readonly Command[] = [
  {
    name: 'get',
    summary: 'Returns the values of the directives that match.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of directives',
    arity: -3,
    flags: FLAGS,
    broad: true,
    args: [{ name: 'parameter', type: 'pattern', multiple: true }],
    run(client, args) {
      getDirectives(client, args.slice(2))
    },
  },
  {
    name: 'set',
    summary: 'Sets directives; if one of them is refused, none is set.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of directives given',
    arity: -4,
    flags: FLAGS,
    broad: true,
    args: [
      {
        name: 'parameter-value',
        type: 'block',
        multiple: true,
        args: [
          { name: 'parameter', type: 'string' },
          { name: 'value', type: 'string' },
        ],
      },
    ],
    secrets: (args) => args.flatMap((_, i) => (i > 2 && isSecret(args[i - 1]) ? [i] : [])),
    audit: { event: 'configuration', names: (args) => args.filter((_, i) => i > 1 && i % 2 === 0) },
    run(client, args) {
      const { reply, server } = client
      setDirectives(client, args)
      const change = server.persistenceChanges.requested
      if (change === undefined) reply.ok()
      else replyLater(client, change, () => reply.ok(), 'ERR CONFIG SET failed - ')
    },
  },
  {
    name: 'resetstat',
    summary: "Resets the counters of INFO to 0, but not the store's own.",
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of commands',
    arity: 2,
    flags: FLAGS,
    broad: true,
    run(client) {
      resetStats(client.server)
      client.reply.ok()
    },
  },
  {
    name: 'rewrite',
    summary: 'Writes the current values into the conf file.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of lines of the file',
    arity: 2,
    flags: FLAGS,
    broad: true,
    audit: { event: 'configuration' },
    run(client) {
      rewriteFile(client.server)
      client.reply.ok()
    },
  },
]

/** CONFIG and its subcommands. */
export const configCommands: readonly Command[] = [
  {
    name: 'config',
    summary: 'Reads and changes the configuration while the server runs.',
    group: 'server',
    since: '0.1.0',
    arity: -2,
    flags: [],
    subcommands: withHelp('config', 'server', subcommands),
  },
]
