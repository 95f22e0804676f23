import { createRequire } from 'node:module'

/** The only user: every client is this one. */
export const DEFAULT_USER = 'default'

/**
 * Whether a password opens the server. As in Redis, any password does if none is required.
 *
 * @param required `requirepass`; empty if no password is required
 */
export function isPassword(given: string, required: string): boolean {
  return required === '' || isSame(given, required)
}

/** Takes a time that depends neither on where the two differ nor on their lengths. */
function isSame(given: string, expected: string): boolean {
  // A server starts sooner without node:crypto, so only a server with a password loads it.
  const require = createRequire(import.meta.url)
  const { createHash, timingSafeEqual } = require('node:crypto') as typeof import('node:crypto')
  const digest = (password: string): Buffer =>
    createHash('sha256').update(password, 'latin1').digest()
  return timingSafeEqual(digest(given), digest(expected))
}
