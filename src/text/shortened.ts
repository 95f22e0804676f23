/** A longer text from a client is cut where it is kept, or written down, in bytes. */
export const MAX_SHOWN_BYTES = 1024

/**
 * A client's text as it is kept for others to read: its beginning, and how much is missing.
 *
 * @param bytes a binary string; a short one is returned as it is, and a long one does not stay in memory
 * @param most the length of the beginning that is kept
 */
export function shortened(bytes: string, most = MAX_SHOWN_BYTES): string {
  const more = bytes.length - most
  if (more <= 0) return bytes
  const beginning = Buffer.from(bytes.slice(0, most), 'latin1').toString('latin1')
  return `${beginning}... (${more} more bytes)`
}
