import { createRequire } from 'node:module'
import { CommandError } from '../request/arguments/errors.ts'
import type { Client } from '../request/client.ts'

/** There are no users but this one, which every client is. */
export const DEFAULT_USER = 'default'

/**
 * Authenticates a client.
 *
 * @throws CommandError if there is no such user, or the password is not `requirepass`
 */
export function authenticate(client: Client, user: string, password: string): void {
  const expected = client.server.config.get('requirepass')
  // As in Redis, without a password any will do.
  if (user !== DEFAULT_USER || (expected !== '' && !samePassword(password, expected))) {
    throw new CommandError('WRONGPASS invalid username-password pair or user is disabled.')
  }
  client.authenticated = true
}

/** Compares in a time that tells nothing of where, or whether, the two differ, nor of lengths. */
function samePassword(given: string, expected: string): boolean {
  // Loaded only where there is a password: a server starts sooner without it.
  const require = createRequire(import.meta.url)
  const { createHash, timingSafeEqual } = require('node:crypto') as typeof import('node:crypto')
  const digest = (password: string): Buffer =>
    createHash('sha256').update(password, 'latin1').digest()
  return timingSafeEqual(digest(given), digest(expected))
}
