import { LogGate, type LogGateParts } from '../../src/cluster/log-gate.ts'
import type { Waiting } from '../../src/cluster/waiting.ts'
import { bytesOfRequest } from '../../src/request/transaction.ts'
import type { PostponedRequest } from '../../src/server/postponed-request.ts'

/** A gate before a log that takes requests. */
export function gateTo(taken: Waiting[], parts: Partial<LogGateParts> = {}): LogGate {
  return new LogGate({
    clock: { now: () => 1 },
    timeout: () => 1000,
    add: (waiting: Waiting) => taken.push(waiting),
    takes: bytesOfRequest,
    deniedBelow: () => undefined,
    copyBound: () => undefined,
    movedTime: () => 0,
    mostNodes: () => undefined,
    heapLimit: 1024 ** 3,
    isReady: () => true,
    isStrict: () => false,
    ...parts,
  } as unknown as LogGateParts)
}

/** Serves a request again; it is refused before it comes to a gate. */
export function refuse(postponed: PostponedRequest): void {
  postponed.serve({ expiryWait: undefined, onRequest: () => {} })
}
