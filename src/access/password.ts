import { createRequire } from 'node:module'

const HASH = /^[0-9a-f]{64}$/

/** Only a server with a password loads node:crypto, because loading it delays the start. */
function crypto(): typeof import('node:crypto') {
  return createRequire(import.meta.url)('node:crypto') as typeof import('node:crypto')
}

/** The SHA-256 of a password, in hexadecimal: what is kept of it. @param password a binary string */
export function hashPassword(password: string): string {
  return crypto().createHash('sha256').update(password, 'latin1').digest('hex')
}

/** Whether a text can be what {@link hashPassword} returns. */
export function isPasswordHash(text: string): boolean {
  return HASH.test(text)
}

/**
 * Whether one of the hashes is a password's. Takes a time that does not depend on where they differ.
 *
 * @param given a binary string
 */
export function hasHash(given: string, hashes: readonly string[]): boolean {
  if (hashes.length === 0) return false
  const { timingSafeEqual } = crypto()
  const hash = Buffer.from(hashPassword(given), 'latin1')
  let found = false
  for (const each of hashes) {
    if (timingSafeEqual(hash, Buffer.from(each, 'latin1'))) found = true
  }
  return found
}
