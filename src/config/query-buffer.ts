import type { Config } from './config.ts'

/**
 * The most that a request, or the requests of a transaction, may take in bytes, whatever
 * `client-query-buffer-limit` says: the journal keeps each in one record, whose length has 32 bits,
 * with what was written just before.
 */
export const MAX_QUERY_BYTES = 3 * 1024 ** 3

/** The most bytes of one request, and of all that a client makes the server keep. */
export function queryBufferLimit(config: Config): number {
  return Math.min(config.get('client-query-buffer-limit'), MAX_QUERY_BYTES)
}
