import type { Config } from '../config/config.ts'
import type { Clock } from '../store/clock.ts'
import { shortened } from '../text/shortened.ts'

/** Entries that are alike count as one while they are not further apart, in ms (Redis). */
const GROUPING_MS = 60_000
/** How many of the newest entries are searched for one that is alike (Redis). */
const SCANNED = 10

/** A request that was denied. */
export interface DeniedRequest {
  readonly reason: 'command' | 'key' | 'channel' | 'auth'
  readonly context: 'toplevel' | 'multi'
  /** The command, the key or the channel; a long one is cut. */
  readonly object: string
  readonly username: string
  /** The client, as CLIENT LIST describes it. */
  readonly client: string
}

/** Denials that are alike. */
export interface AclLogEntry extends DeniedRequest {
  readonly count: number
  /** Of the last one, in Unix milliseconds. */
  readonly time: number
}

/** Redis's ACL LOG: the last requests and logins that were denied. */
export class AclLog {
  readonly #config: Config
  readonly #clock: Clock
  /** The newest first. */
  #entries: AclLogEntry[] = []

  constructor(config: Config, clock: Clock) {
    this.#config = config
    this.#clock = clock
  }

  /** The newest first. */
  get entries(): readonly AclLogEntry[] {
    return this.#entries
  }

  add(request: DeniedRequest): void {
    const object = shortened(request.object)
    const denied = { ...request, object, username: shortened(request.username) }
    const time = this.#clock.now()
    const at = this.#entries
      .slice(0, SCANNED)
      .findIndex((entry) => isAlike(entry, denied) && Math.abs(entry.time - time) <= GROUPING_MS)
    if (at >= 0) {
      const [{ count }] = this.#entries.splice(at, 1)
      this.#entries.unshift({ ...denied, count: count + 1, time })
      return
    }
    this.#entries.unshift({ ...denied, count: 1, time })
    const length = this.#config.get('acllog-max-len')
    if (this.#entries.length > length) this.#entries.length = length
  }

  clear(): void {
    this.#entries = []
  }
}

function isAlike(a: DeniedRequest, b: DeniedRequest): boolean {
  return (
    a.reason === b.reason &&
    a.context === b.context &&
    a.object === b.object &&
    a.username === b.username
  )
}
