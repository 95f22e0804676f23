import { createRequire } from 'node:module'

const HASH = /^[0-9a-f]{64}$/

type Crypto = typeof import('node:crypto')

let loaded: Crypto | undefined

/** Only a server with a password loads node:crypto, because loading it delays the start. */
function crypto(): Crypto {
  loaded ??= createRequire(import.meta.url)('node:crypto') as Crypto
  return loaded
}

/** The SHA-256 of a password, in hexadecimal: what is kept of it. @param password a binary string */
export function hashPassword(password: string): string {
  return crypto().hash('sha256', Buffer.from(password, 'latin1'), 'hex')
}

/** Whether a text can be what {@link hashPassword} returns. */
export function isPasswordHash(text: string): boolean {
  return HASH.test(text)
}

/**
 * Whether one of the hashes is a password's. How long the look-up takes can tell of hashes at most, and a
 * client cannot choose the hash of what it tries.
 *
 * @param given a binary string
 */
export function hasHash(given: string, hashes: ReadonlySet<string>): boolean {
  return hashes.size > 0 && hashes.has(hashPassword(given))
}
