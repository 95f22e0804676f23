import { constants } from 'node:buffer'

/** What one connection may send. All connections share one object, and read it at every use. */
export interface RequestLimits {
  /** Bytes in one argument. */
  maxBulkLength: number
  /** Arguments in one request, including the command's name. */
  maxArguments: number
  /** Bytes in an inline request, and in a header line, before its end of line. */
  maxInlineLength: number
  /** Bytes held for one connection: an incomplete request and requests not yet delivered. */
  maxFrameLength: number
}

/** Redis 7.0's defaults; the number of arguments is from Redis's documentation. */
export const defaultRequestLimits: Readonly<RequestLimits> = {
  maxBulkLength: 512 * 1024 * 1024,
  maxArguments: 1024 * 1024,
  maxInlineLength: 64 * 1024,
  maxFrameLength: 1024 * 1024 * 1024,
}

/** Redis's limits for unauthenticated connections; not configurable in Redis either. */
export const unauthenticatedLimits = { maxArguments: 10, maxBulkLength: 16384 } as const

/** A longer bulk string would not fit in a string. Node 20: 24 bytes below 512 MB. */
export const longestBulk: number = constants.MAX_STRING_LENGTH
