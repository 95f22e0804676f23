import { readFileSync } from 'node:fs'
import type { CommandCatalogue } from '../access/command-catalogue.ts'
import type { User } from '../access/user.ts'
import { Users, UsersError } from '../access/users.ts'
import { type Config, ConfigError, pathFromBytes } from '../config/config.ts'
import type { Client } from '../request/client.ts'
import type { Dispatcher } from '../request/dispatcher.ts'
import { denialOf, mayListen } from '../request/permission.ts'
import type { Store } from '../store/store.ts'
import { systemReason } from '../text/system-reason.ts'

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
    content = readFileSync(pathFromBytes(file), 'latin1')
  } catch (error) {
    throw new UsersError(`Error loading ACLs, opening file '${file}': ${systemReason(error)}`)
  }
  users.load(content, file)
}

/** Ends what clients have begun and may not go on with, when their user has changed or is gone. */
export class Revocation {
  readonly #clients: ReadonlyMap<number, Client>
  readonly #users: Users
  readonly #dispatcher: Dispatcher
  readonly #store: Store

  constructor(
    clients: ReadonlyMap<number, Client>,
    users: Users,
    dispatcher: Dispatcher,
    store: Store,
  ) {
    this.#clients = clients
    this.#users = users
    this.#dispatcher = dispatcher
    this.#store = store
  }

  onChanged(user: User): void {
    if (user.unrestricted) return
    for (const client of this.#clientsOf(user)) if (!this.#mayGoOn(client)) client.drop()
  }

  onRemoved(user: User): void {
    for (const client of this.#clientsOf(user)) {
      // What it has queued may still run, in the middle of its EXEC: as nobody.
      client.user = this.#users.nobody()
      client.authenticated = false
      client.drop()
    }
  }

  /** A copy, for clients leave the map as they are closed. */
  #clientsOf(user: User): Client[] {
    return [...this.#clients.values()].filter((client) => client.user === user)
  }

  #mayGoOn(client: Client): boolean {
    const { user, awaited, watched } = client
    for (const channel of client.channels) if (!mayListen(user, channel, false)) return false
    for (const pattern of client.patterns) if (!mayListen(user, pattern, true)) return false
    if (client.monitor && !this.#may(user, ['monitor'])) return false
    if (awaited !== undefined && !this.#may(user, awaited)) return false
    return watched === undefined || this.#may(user, ['watch', ...watched.paths])
  }

  #may(user: User, request: readonly string[]): boolean {
    const access = this.#dispatcher.find(request)?.access
    return access !== undefined && denialOf(user, access, request, this.#store) === undefined
  }
}
