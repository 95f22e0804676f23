import type { CommandCatalogue } from '../access/command-catalogue.ts'
import type { User } from '../access/user.ts'
import { Users, UsersError } from '../access/users.ts'
import { type Config, ConfigError, pathFromBytes } from '../config/config.ts'
import type { Client, ServerContext } from '../request/client.ts'
import type { Dispatcher } from '../request/dispatcher.ts'
import { denialOf, mayListen } from '../request/permission.ts'
import { readRegularFile } from '../text/regular-file.ts'
import { systemReason } from '../text/system-reason.ts'

/** Comparing so many bytes more of a name with a pattern counts as one try more. */
const BYTES_PER_TRY = 64

/**
 * The users that a configuration names: `requirepass`, lines `user`, `aclfile`.
 *
 * @throws ConfigError
 */
export function usersOf(config: Config, catalogue: CommandCatalogue): Users {
  const users = new Users(catalogue, () => config.get('acl-pubsub-default') === 'allchannels')
  users.setDefaultPassword(config.get('requirepass'))
  const file = config.get('aclfile')
  if (file !== '' && config.users.length > 0) {
    throw new ConfigError(
      'aclfile',
      'users are defined by lines of the configuration, too: keep them in one of the two places',
    )
  }
  for (const { name, rules } of config.users) {
    try {
      users.define(name, rules)
    } catch (error) {
      if (!(error instanceof UsersError)) throw error
      throw new ConfigError('user', error.message)
    }
  }
  if (file === '') return users
  try {
    loadAclFile(users, file)
  } catch (error) {
    if (error instanceof UsersError) throw new ConfigError('aclfile', error.message)
    throw error
  }
  return users
}

/**
 * Replaces all users by those of the ACL file.
 *
 * @param file the directive's value
 * @throws UsersError
 */
export function loadAclFile(users: Users, file: string): void {
  let content: string
  try {
    content = readRegularFile(pathFromBytes(file)).toString('latin1')
  } catch (error) {
    throw new UsersError(`Error loading ACLs, opening file '${file}': ${systemReason(error)}`)
  }
  users.load(content, file)
}

/** Ends what clients have begun and may not go on with, when their user has changed or is gone. */
export class Revocation {
  readonly #server: ServerContext
  readonly #dispatcher: Dispatcher
  /** How many names the present change has made it judge; long ones count more. */
  #judged = 0

  constructor(server: ServerContext, dispatcher: Dispatcher) {
    this.#server = server
    this.#dispatcher = dispatcher
  }

  onNarrowed(user: User): number {
    this.#judged = 0
    const clients = this.#clientsOf(user)
    for (const client of clients) if (!this.#mayGoOn(client)) client.drop()
    return clients.length + this.#judged * patternsOf(user)
  }

  onRemoved(user: User): void {
    const { clientsByUser, users } = this.#server
    for (const client of this.#clientsOf(user)) {
      // What it has queued may still run, in the middle of its EXEC: as nobody.
      clientsByUser.move(client, users.nobody())
      client.authenticated = false
      client.drop()
    }
  }

  /** A copy, for clients leave as they are closed. */
  #clientsOf(user: User): Client[] {
    return [...this.#server.clientsByUser.of(user)]
  }

  #mayGoOn(client: Client): boolean {
    const { user, awaited, watched } = client
    for (const channel of client.channels) if (!this.#mayListen(user, channel, false)) return false
    for (const pattern of client.patterns) if (!this.#mayListen(user, pattern, true)) return false
    if (client.monitor && !this.#may(user, ['monitor'])) return false
    if (awaited !== undefined && !this.#may(user, awaited)) return false
    return watched === undefined || this.#may(user, ['watch', ...watched.paths])
  }

  #mayListen(user: User, channel: string, isPattern: boolean): boolean {
    this.#judged += triesOfName(channel)
    return mayListen(user, channel, isPattern)
  }

  #may(user: User, request: readonly string[]): boolean {
    for (const word of request) this.#judged += triesOfName(word)
    const access = this.#dispatcher.find(request)?.access
    return access !== undefined && denialOf(user, access, request, this.#server.store) === undefined
  }
}

/** How many patterns a name is compared with at most. A selector counts even if it has none. */
function patternsOf({ selectors }: User): number {
  return selectors.reduce(
    (sum, { patternCount, channelCount }) => sum + Math.max(1, patternCount + channelCount),
    0,
  )
}

/** Comparing a long name with a pattern counts as several tries. */
function triesOfName({ length }: string): number {
  return 1 + Math.floor(length / BYTES_PER_TRY)
}
