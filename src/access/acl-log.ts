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
}

/** A client, as CLIENT LIST describes it: in one EXEC, or in a millisecond, little else of the line changes. */
export interface DeniedClient {
  readonly id: number
  readonly name: string
  readonly lastCommand: string
}

/** Denials that are alike. */
export interface AclLogEntry extends DeniedRequest, DeniedClient {
  /** The line of CLIENT LIST. */
  readonly client: string
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

  /** @param describe makes the line of CLIENT LIST */
  add<Denied extends DeniedClient>(
    request: DeniedRequest,
    client: Denied,
    describe: (client: Denied) => string,
  ): void {
    const { reason, context } = request
    const object = shortened(request.object)
    const username = shortened(request.username)
    const time = this.#clock.now()
    const back = this.#findAlike(reason, context, object, username, time)
    const alike = back < 0 ? undefined : this.#entries.remove(back)
    const { id, name, lastCommand } = client
    this.#entries.add({
      reason,
      context,
      // What is cut from a request would keep the request.
      object: alike?.object ?? ownCopy(object),
      username: alike?.username ?? ownCopy(username),
      id,
      name,
      lastCommand,
      client:
        alike !== undefined && describes(alike, client, time) ? alike.client : describe(client),
      count: (alike?.count ?? 0) + 1,
      time,
    })
    if (alike === undefined) this.#entries.trim(this.#config.get('acllog-max-len'))
  }

  /** How many entries are newer than the one that counts a denial; -1 if there is none. */
  #findAlike(
    reason: DeniedRequest['reason'],
    context: DeniedRequest['context'],
    object: string,
    username: string,
    time: number,
  ): number {
    const scanned = Math.min(SCANNED, this.#entries.length)
    for (let back = 0; back < scanned; back++) {
      const entry = this.#entries.at(back)
      if (
        entry.reason === reason &&
        entry.context === context &&
        entry.object === object &&
        entry.username === username &&
        Math.abs(entry.time - time) <= GROUPING_MS
      ) {
        return back
      }
    }
    return -1
  }

  clear(): void {
    this.#entries.clear()
  }
}

/** Memory that an entry takes, about. */
function bytesOf({ object, username, name, client }: AclLogEntry): number {
  return ENTRY_BYTES + object.length + username.length + name.length + client.length
}

/** Whether an entry's line of CLIENT LIST is the client's, but for its buffers. */
function describes(entry: AclLogEntry, client: DeniedClient, time: number): boolean {
  return (
    entry.time === time &&
    entry.id === client.id &&
    entry.name === client.name &&
    entry.lastCommand === client.lastCommand
  )
}
