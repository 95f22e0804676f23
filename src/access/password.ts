import { createRequire } from 'node:module'

/** The user of every client: there is no other. */
export const DEFAULT_USER = 'default'

/**
 * Whether a password is right. As in Redis, any password is right if none is required.
 *
 * @param required the directive `requirepass`; empty if no password is required
 */
export function isPassword(given: string, required: string): boolean {
  return required === '' || isSame(given, required)
}

/** Compares in a time that does not tell where the passwords differ, or how long they are. */
function isSame(given: string, expected: string): boolean {
  // Only a server with a password loads node:crypto, because loading it delays the start.
  const require = createRequire(import.meta.url)
  const { createHash, timingSafeEqual } = require('node:crypto') as typeof import('node:crypto')
  const digest = (password: string): Buffer =>
    createHash('sha256').update(password, 'latin1').digest()
  return timingSafeEqual(digest(given), digest(expected))
}
