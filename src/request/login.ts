import { DEFAULT_USER, type User } from '../access/user.ts'
import type { Users } from '../access/users.ts'
import { CommandError } from './arguments/errors.ts'
import type { Client } from './client.ts'
import { contextOf, describeClient } from './client-info.ts'

/**
 * Lets a client go on as a user: AUTH and HELLO AUTH.
 *
 * @param word the command, as the client has written it
 * @throws CommandError unless there is such a user, it is enabled, and the password is right
 */
export function logIn(client: Client, name: string, password: string, word: string): void {
  const { users, aclLog, audit } = client.server
  const user = users.authenticate(name, password)
  if (user === undefined) {
    const denied = {
      reason: 'auth',
      context: contextOf(client),
      object: word,
      username: name,
    } as const
    aclLog.add(denied, client, describeClient)
    audit?.write('login-failed', client, { as: name })
    throw new CommandError('WRONGPASS invalid username-password pair or user is disabled.')
  }
  client.server.clientsByUser.move(client, user)
  client.authenticated = true
  audit?.write('login', client)
}

/** The user that a client's certificate names; undefined if there is none, or it is off. */
export function userOfCertificate(users: Users, name: string): User | undefined {
  const user = users.get(name)
  return user?.enabled === true ? user : undefined
}

/** Writes down that a client came with a certificate that names a user. */
export function noteCertificate(client: Client, name: string): void {
  const { aclLog, audit } = client.server
  if (client.user.name === name && client.user.enabled) {
    audit?.write('login', client, { by: 'certificate' })
    return
  }
  const denied = { reason: 'auth', context: 'toplevel', object: 'tls', username: name } as const
  aclLog.add(denied, client, describeClient)
  audit?.write('login-failed', client, { as: name, by: 'certificate' })
}

/** AUTH with a password only. @throws CommandError if there is none to be given */
export function logInAsDefault(client: Client, password: string, word: string): void {
  if (client.server.users.default.nopass) {
    throw new CommandError(
      'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
    )
  }
  logIn(client, DEFAULT_USER, password, word)
}
