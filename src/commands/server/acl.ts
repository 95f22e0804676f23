// ACL

import { CATEGORIES, findCategory } from '../../access/categories.ts'
import { UsersError } from '../../access/users.ts'
import { pathFromBytes } from '../../config/config.ts'
import { replaceFile } from '../../config/replace-file.ts'
import { CommandError, notAnInteger, wrongArity } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import { textOf, tokenOf } from '../../request/arguments/token.ts'
import type { Client, ServerContext } from '../../request/client.ts'
import type { AuditedCommand, Command, Flag } from '../../request/command.ts'
import { dryRunText } from '../../request/denial-text.ts'
import { checkWork } from '../../request/exec-limits.ts'
import { denialOf } from '../../request/permission.ts'
import { checkRoomToDescribe, keptRuleBytes } from '../../request/room.ts'
import { writeSharedList } from '../../resp/reply-list.ts'
import { randomBytes } from '../../text/random-bytes.ts'
import { withHelp } from '../subcommand-help.ts'
import { replyAclLog, replyUser } from './acl-reply.ts'

/** A user takes about this much memory besides its rules. */
const USER_BYTES = 2048
const FLAGS: readonly Flag[] = ['noscript', 'loading', 'stale']
const ADMIN_FLAGS: readonly Flag[] = ['admin', ...FLAGS]
const USERS: AuditedCommand = { event: 'users' }
const EACH_USER = 'O(N) where N is the number of users'
const DEFAULT_BITS = 256n
const MAX_BITS = 4096n
/** As much of a name goes into an error (Redis). */
const NAME_SHOWN = 128
/** How many entries ACL LOG shows if it is not asked for more. */
const DEFAULT_COUNT = 10n

const NO_FILE =
  'ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.'

/** Redis's error for a subcommand that takes no more arguments. */
function wrongArguments(args: readonly string[]): CommandError {
  const name = textOf(args[1], NAME_SHOWN)
  return new CommandError(
    `ERR unknown subcommand or wrong number of arguments for '${name}'. Try ACL HELP.`,
  )
}

/** @throws CommandError */
function setUser(client: Client, [, , name, ...rules]: readonly string[]): void {
  const { users } = client.server
  checkWork(client, 'judgedRights')
  const before = users.judgedRights
  try {
    users.set(name, rules)
  } catch (error) {
    throw error instanceof UsersError ? new CommandError(`ERR ${error.message}`) : error
  }
  client.judgedRights += users.judgedRights - before
  client.reply.ok()
}

function deleteUsers({ server, reply }: Client, [, , ...names]: readonly string[]): void {
  if (names.some((name) => textOf(name) === 'default')) {
    throw new CommandError("ERR The 'default' user cannot be removed")
  }
  reply.integer(names.filter((name) => server.users.remove(name)).length)
}

/** The categories, or the commands of one. */
function listCategory({ server, reply }: Client, args: readonly string[]): void {
  if (args.length > 3) throw wrongArguments(args)
  if (args.length === 2) {
    replyBulks(reply, CATEGORIES)
    return
  }
  const category = findCategory(textOf(args[2]))
  if (category === undefined) {
    throw new CommandError(`ERR Unknown category '${textOf(args[2], NAME_SHOWN)}'`)
  }
  const members = server.catalogue.all.filter(({ categories }) => categories.includes(category))
  replyBulks(
    reply,
    members.map(({ fullName }) => fullName),
  )
}

function replyBulks(reply: Client['reply'], texts: readonly string[]): void {
  reply.array(texts.length)
  for (const text of texts) reply.bulk(text)
}

function generatePassword({ reply }: Client, args: readonly string[]): void {
  if (args.length > 3) throw wrongArguments(args)
  const bits = args.length === 3 ? readInteger64(args[2]) : DEFAULT_BITS
  if (bits === undefined) throw notAnInteger()
  if (bits <= 0n || bits > MAX_BITS) {
    throw new CommandError(
      `ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to ${MAX_BITS}`,
    )
  }
  const digits = Math.ceil(Number(bits) / 4)
  reply.bulk(
    randomBytes(Math.ceil(digits / 2))
      .toString('hex')
      .slice(0, digits),
  )
}

/** Says whether a user could make a request, which is not made. */
function dryRun({ server, reply }: Client, [, , name, ...request]: readonly string[]): void {
  const user = server.users.get(name)
  if (user === undefined) throw new CommandError(`ERR User '${textOf(name)}' not found`)
  const found = server.findCommand(request)
  if (found === undefined) {
    throw new CommandError(`ERR Command '${textOf(request[0])}' not found`)
  }
  const { arity, fullName, access } = found
  if (arity > 0 ? arity !== request.length : request.length < -arity) throw wrongArity(fullName)
  const denial = denialOf(user, access, request, server.store)
  if (denial === undefined) reply.ok()
  else reply.bulk(dryRunText(denial, fullName, request))
}

function replyLog(client: Client, args: readonly string[]): void {
  if (args.length > 3) throw wrongArguments(args)
  const { aclLog } = client.server
  if (args.length === 3 && tokenOf(args[2]) === 'RESET') {
    aclLog.clear()
    client.reply.ok()
    return
  }
  const count = args.length === 3 ? readInteger64(args[2]) : DEFAULT_COUNT
  if (count === undefined) throw notAnInteger()
  replyAclLog(client, aclLog.latest(count < 0n ? 0 : Number(count)))
}

/** @returns the directive's value @throws CommandError if there is none */
function aclFile({ config }: ServerContext): string {
  const file = config.get('aclfile')
  if (file === '') throw new CommandError(NO_FILE)
  return file
}

function loadUsers({ server, reply }: Client): void {
  const file = aclFile(server)
  try {
    server.loadAclFile(file)
  } catch (error) {
    throw error instanceof UsersError ? new CommandError(`ERR ${error.message}`) : error
  }
  reply.ok()
}

function saveUsers({ server, reply }: Client): void {
  const file = aclFile(server)
  checkRoomToDescribe(server.memory, server.users.all)
  const { users, logger } = server
  try {
    const lines = users.describeForFile().map((line) => `${line}\n`)
    replaceFile(pathFromBytes(file), 0o600, () => lines.join(''))
  } catch (error) {
    logger.warn({ err: error }, 'ACL SAVE failed')
    throw new CommandError(
      'ERR There was an error trying to save the ACLs. Please check the server logs for more information',
    )
  }
  reply.ok()
}

const subcommands: readonly Command[] = [
  {
    name: 'cat',
    summary: 'Lists the categories of commands, or the commands of a category.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of commands',
    arity: -2,
    flags: FLAGS,
    broad: true,
    args: [{ name: 'category', type: 'string', optional: true }],
    run: listCategory,
  },
  {
    name: 'deluser',
    summary: 'Deletes users and disconnects their clients.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of clients',
    arity: -3,
    flags: ADMIN_FLAGS,
    broad: true,
    args: [{ name: 'username', type: 'string', multiple: true }],
    audit: { event: 'users', names: (args) => args.slice(2) },
    run: deleteUsers,
  },
  {
    name: 'dryrun',
    summary: 'Tells whether a user could make a request, without making it.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: -4,
    flags: ADMIN_FLAGS,
    broad: true,
    args: [
      { name: 'username', type: 'string' },
      { name: 'command', type: 'string' },
      { name: 'arg', type: 'string', optional: true, multiple: true },
    ],
    run: dryRun,
  },
  {
    name: 'getuser',
    summary: 'Shows what a user may do.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of the rules',
    arity: 3,
    flags: ADMIN_FLAGS,
    broad: true,
    args: [{ name: 'username', type: 'string' }],
    run({ server, reply }, args) {
      const user = server.users.get(args[2])
      if (user === undefined) {
        reply.null()
        return
      }
      checkRoomToDescribe(server.memory, [user])
      replyUser(reply, user)
    },
  },
  {
    name: 'genpass',
    summary: 'Makes a password that nobody can guess: 256 bits, or as many as are asked for.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: -2,
    flags: FLAGS,
    args: [{ name: 'bits', type: 'integer', optional: true }],
    run: generatePassword,
  },
  {
    name: 'list',
    summary: 'Lists all users with their rules.',
    group: 'server',
    since: '0.1.0',
    complexity: EACH_USER,
    arity: 2,
    flags: ADMIN_FLAGS,
    broad: true,
    run({ server, reply }) {
      checkRoomToDescribe(server.memory, server.users.all)
      replyBulks(reply, server.users.describe())
    },
  },
  {
    name: 'load',
    summary:
      'Reads the ACL file anew and disconnects the clients of all users but the default one.',
    group: 'server',
    since: '0.1.0',
    complexity: EACH_USER,
    arity: 2,
    flags: ADMIN_FLAGS,
    broad: true,
    audit: USERS,
    run: loadUsers,
  },
  {
    name: 'log',
    summary: 'Shows the last requests and logins that were denied, newest first; or forgets them.',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of entries shown',
    arity: -2,
    flags: ADMIN_FLAGS,
    broad: true,
    args: [
      {
        name: 'operation',
        type: 'oneof',
        optional: true,
        args: [
          { name: 'count', type: 'integer' },
          { name: 'reset', type: 'pure-token', token: 'RESET' },
        ],
      },
    ],
    run: replyLog,
  },
  {
    name: 'save',
    summary: 'Writes all users to the ACL file.',
    group: 'server',
    since: '0.1.0',
    complexity: EACH_USER,
    arity: 2,
    flags: ADMIN_FLAGS,
    broad: true,
    audit: USERS,
    run: saveUsers,
  },
  {
    name: 'setuser',
    summary: 'Makes a user, or changes one, by rules: +get, -@dangerous, ~app/*, >password ...',
    group: 'server',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of rules',
    arity: -3,
    flags: ADMIN_FLAGS,
    broad: true,
    args: [
      { name: 'username', type: 'string' },
      { name: 'rule', type: 'string', optional: true, multiple: true },
    ],
    keeps: keptRuleBytes,
    growth: USER_BYTES,
    secrets: (args) => args.map((_, i) => i).slice(2),
    audit: { event: 'users', names: (args) => [args[2]] },
    run: setUser,
  },
  {
    name: 'users',
    summary: 'Lists the names of all users.',
    group: 'server',
    since: '0.1.0',
    complexity: EACH_USER,
    arity: 2,
    flags: ADMIN_FLAGS,
    broad: true,
    run({ server, reply }) {
      const { all } = server.users
      reply.array(all.length)
      writeSharedList(reply, all, (piece, { name }) => piece.bulk(name))
    },
  },
  {
    name: 'whoami',
    summary: "Tells the name of the connection's user.",
    group: 'server',
    since: '0.1.0',
    complexity: 'O(1)',
    arity: 2,
    flags: FLAGS,
    run({ reply, user }) {
      reply.bulk(user.name)
    },
  },
]

/** ACL and its subcommands. */
export const aclCommands: readonly Command[] = [
  {
    name: 'acl',
    summary: 'Says who may do what.',
    group: 'server',
    since: '0.1.0',
    arity: -2,
    flags: [],
    subcommands: withHelp('acl', 'server', subcommands),
  },
]
