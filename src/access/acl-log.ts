import type { Config } from '../config/config.ts'
import { RecentEntries } from '../metrics/recent-entries.ts'
import type { Clock } from '../store/clock.ts'
import { ownCopy } from '../store/path.ts'
import { shortened } from '../text/shortened.ts'

/** Entries that are alike count as one while they are not further apart, in ms (Redis). */
const GROUPING_MS = 60_000
/** How many of the newest entries are searched for one that is alike (Redis). */
const SCANNED = 10
/** What an entry takes beside its texts. */
const ENTRY_BYTES = 250

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
  readonly #entries: RecentEntries<AclLogEntry>

  /** @param maxBytes the most memory that the entries may take, about, however many are allowed */
  constructor(config: Config, clock: Clock, maxBytes: number) {
    this.#entries = new RecentEntries<AclLogEntry>(bytesOf, maxBytes)
    this.#config = config
    this.#clock = clock
  }

  /** The newest entries, the newest first. @param count at most so many */
  latest(count: number): AclLogEntry[] {
    return this.#entries.latest(count)
  }

  add(request: DeniedRequest): void {
    // What is cut from a request would keep the request.
    const object = ownCopy(shortened(request.object))
    const username = ownCopy(shortened(request.username))
    const denied = { ...request, object, username }
    const time = this.#clock.now()
    const back = this.latest(SCANNED).findIndex(
      (entry) => isAlike(entry, denied) && Math.abs(entry.time - time) <= GROUPING_MS,
    )
    if (back >= 0) {
      const { count } = this.#entries.remove(back)
      this.#entries.add({ ...denied, count: count + 1, time })
      return
    }
    this.#entries.add({ ...denied, count: 1, time })
    this.#entries.trim(this.#config.get('acllog-max-len'))
  }

  clear(): void {
    this.#entries.clear()
  }
}

/** Memory that an entry takes, about. */
function bytesOf({ object, username, client }: DeniedRequest): number {
  return ENTRY_BYTES + object.length + username.length + client.length
}

function isAlike(a: DeniedRequest, b: DeniedRequest): boolean {
  return (
    a.reason === b.reason &&
    a.context === b.context &&
    a.object === b.object &&
    a.username === b.username
  )
}
