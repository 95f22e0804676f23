import { newHistogram } from './latency-histogram.ts'

/** Counters of INFO, which CONFIG RESETSTAT sets to 0. */
export interface ServerStats {
  connectionsReceived: number
  connectionsRejected: number
  commandsProcessed: number
  inputBytes: number
  outputBytes: number
  /** Errors that only a bug, or a limit of V8, can be the cause of. */
  unexpectedErrors: number
  /** How many of them say that the system has no memory for a value. */
  failedAllocations: number
  errorReplies: number
  /** Error replies by code: `ERR`, `WRONGTYPE`, ... */
  readonly errorCodes: Map<string, number>
  /** Keys that Redis's commands have read and found. */
  keyspaceHits: number
  /** Keys that Redis's commands have read and not found. */
  keyspaceMisses: number
  /** Clients disconnected because they did not read their output. */
  outputLimitDisconnections: number
  /** Clients disconnected because all together kept too much memory. */
  evictedClients: number
}

/** Counters of one command, for INFO commandstats and LATENCY HISTOGRAM. */
export interface CommandStats {
  calls: number
  /** Time of all calls, in microseconds. */
  time: number
  rejectedCalls: number
  failedCalls: number
  /** Calls by duration: see latency-histogram.ts. */
  readonly histogram: number[]
}

/** Counters of a command that has not been called yet. */
export function newCommandStats(): CommandStats {
  return { calls: 0, time: 0, rejectedCalls: 0, failedCalls: 0, histogram: newHistogram() }
}

/** Counts an error reply under its code, which is its first word. */
export function countError(stats: ServerStats, reply: string): void {
  stats.errorReplies++
  const end = reply.indexOf(' ')
  const code = end < 0 ? reply : reply.slice(0, end)
  stats.errorCodes.set(code, (stats.errorCodes.get(code) ?? 0) + 1)
}

/** New counters, all 0. */
export function newServerStats(): ServerStats {
  return {
    connectionsReceived: 0,
    connectionsRejected: 0,
    commandsProcessed: 0,
    inputBytes: 0,
    outputBytes: 0,
    unexpectedErrors: 0,
    failedAllocations: 0,
    errorReplies: 0,
    errorCodes: new Map(),
    keyspaceHits: 0,
    keyspaceMisses: 0,
    outputLimitDisconnections: 0,
    evictedClients: 0,
  }
}
