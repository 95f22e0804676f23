import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'

/** Descriptors that Node.js, the listeners, the log, the open database and its lock take; measured: 31. */
const OWN_DESCRIPTORS = 32
/** Kept free for further files of the database, as many as Redis keeps. */
const RESERVED_DESCRIPTORS = 32
const NOT_FOR_CLIENTS = OWN_DESCRIPTORS + RESERVED_DESCRIPTORS

/**
 * How many descriptors the process may have: Node.js has raised `ulimit -n` to its hard limit.
 *
 * @returns undefined if the system does not say
 */
export function descriptorLimit(): number | undefined {
  const text = linuxLimit() ?? reportedLimit()
  return text === undefined || text === 'unlimited' ? undefined : Number(text)
}

function linuxLimit(): string | undefined {
  try {
    return /^Max open files +(\w+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
  } catch {
    return undefined
  }
}

/** The limit on other systems, from Node.js's report, which takes some milliseconds. */
function reportedLimit(): string | undefined {
  if (process.platform === 'win32') return undefined
  const report = process.report?.getReport() as unknown as
    | { userLimits?: { open_files?: { soft: number | string } } }
    | undefined
  const soft = report?.userLimits?.open_files?.soft
  return soft === undefined ? undefined : String(soft)
}

/**
 * Cuts `maxclients` down to what the limit of descriptors allows, now and whenever it is set, because
 * clients that wait for nothing would otherwise take what the data needs (Redis).
 *
 * @param limit undefined if it is not known
 * @throws Error if not even one client could be served
 */
export function limitClients(config: Config, logger: Logger, limit: number | undefined): void {
  if (limit === undefined) return
  const most = limit - NOT_FOR_CLIENTS
  const wanted = config.get('maxclients')
  if (most < 1) {
    throw new Error(
      `the limit of open files, 'ulimit -n', is ${limit}, and must be at least ${NOT_FOR_CLIENTS + 1}: increase it to ${wanted + NOT_FOR_CLIENTS}`,
    )
  }
  if (wanted > most) {
    config.set('maxclients', [String(most)])
    logger.warn(
      { wanted, limit, maxclients: most },
      `maxclients of ${wanted} needs ${wanted + NOT_FOR_CLIENTS} open files, and the limit is ${limit}: it has been reduced to ${most}. For more, increase 'ulimit -n'`,
    )
  }
  config.onChange('maxclients', (value) => {
    if (value <= most) return
    throw new Error(
      `The operating system is not able to handle the specified number of clients, try with ${most}`,
    )
  })
}
