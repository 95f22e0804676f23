/** A longer text from a client is cut where it is kept, or written down, in bytes. */
export const MAX_SHOWN_BYTES = 1024

/**
 * A client's text as it is kept for others to read: its beginning, and how much is missing. A copy, because what is
 * cut from a request would keep the request.
 *
 * @param bytes a binary string, of which nothing but the result stays in memory
 * @param most the length of the beginning that is kept
 */
export function shortened(bytes: string, most = MAX_SHOWN_BYTES): string {
  const beginning = Buffer.from(bytes.slice(0, most), 'latin1').toString('latin1')
  const more = bytes.length - most
  return more > 0 ? `${beginning}... (${more} more bytes)` : beginning
}
