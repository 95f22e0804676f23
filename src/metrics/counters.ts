/** Counters of INFO, set back by CONFIG RESETSTAT. */
export interface ServerStats {
  connectionsReceived: number
  connectionsRejected: number
  commandsProcessed: number
  inputBytes: number
  outputBytes: number
  unexpectedErrors: number
  errorReplies: number
  /** By their codes: `ERR`, `WRONGTYPE`, ... */
  readonly errorCodes: Map<string, number>
  /** Keys looked at by Redis's commands, that were there and that were not. */
  keyspaceHits: number
  keyspaceMisses: number
  /** Clients cut off because they did not read their output. */
  outputLimitDisconnections: number
}

export interface CommandStats {
  calls: number
  /** Microseconds. */
  time: number
  rejectedCalls: number
  failedCalls: number
  /** How many calls took how long: see latency-histogram.ts. */
  readonly histogram: number[]
}

/** Counts an error reply, under its first word: its code. */
export function countError(stats: ServerStats, reply: string): void {
  stats.errorReplies++
  const code = reply.split(' ', 1)[0]
  stats.errorCodes.set(code, (stats.errorCodes.get(code) ?? 0) + 1)
}

export function newServerStats(): ServerStats {
  return {
    connectionsReceived: 0,
    connectionsRejected: 0,
    commandsProcessed: 0,
    inputBytes: 0,
    outputBytes: 0,
    unexpectedErrors: 0,
    errorReplies: 0,
    errorCodes: new Map(),
    keyspaceHits: 0,
    keyspaceMisses: 0,
    outputLimitDisconnections: 0,
  }
}
