import type { Logger } from 'pino'
import { type Config, pathFromBytes } from '../config/config.ts'
import { queryBufferLimit } from '../config/query-buffer.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { KeyspaceNotifier } from '../keyspace/notifier.ts'
import type { MemoryGauge } from '../metrics/memory-gauge.ts'
import type { Durability, Persistence } from '../persistence/persistence.ts'
import type { Subscriptions } from '../pubsub/subscriptions.ts'
import type { Group } from '../request/group.ts'
import type { PersistenceChanges } from '../request/persistence-changes.ts'
import type { RequestLimits } from '../resp/request-limits.ts'
import type { Store } from '../store/store.ts'

/** The parts of a server that follow its directives. */
export interface Configured {
  readonly config: Config
  readonly logger: Logger
  readonly store: Store
  readonly keyspace: Keyspace
  readonly pubsub: Subscriptions
  readonly memory: MemoryGauge
  readonly persistence: Persistence
  readonly requestLimits: RequestLimits
  readonly group: Group | undefined
}

/** Sets the parts of a server by its directives, now and after each change of a directive. */
export function followConfig(parts: Configured): void {
  const { config, requestLimits, store, memory, keyspace, pubsub } = parts
  const follow = (names: readonly Parameters<Config['get']>[0][], apply: () => void): void => {
    apply()
    for (const name of names) config.onChange(name, apply)
  }
  follow(['proto-max-bulk-len', 'client-query-buffer-limit'], () => {
    requestLimits.maxBulkLength = config.get('proto-max-bulk-len')
    requestLimits.maxFrameLength = queryBufferLimit(config)
  })
  follow(['maxmemory'], () => {
    memory.limit = config.get('maxmemory')
  })
  follow(['notify-keyspace-events'], () => {
    const flags = config.get('notify-keyspace-events')
    keyspace.notifier?.close()
    keyspace.notifier = flags === '' ? undefined : new KeyspaceNotifier(store, pubsub, flags)
  })
  follow(['watch-history', 'watch-history-memory'], () =>
    store.history.resize({
      ...store.history.limits,
      events: config.get('watch-history'),
      bytes: historyMemory(config, memory),
    }),
  )
}

/** The share of the heap that the history may take unless `watch-history-memory` says otherwise. */
const HISTORY_SHARE = 1 / 16

/** `watch-history-memory`, or less by default in a small heap. */
function historyMemory(config: Config, memory: MemoryGauge): number {
  const bytes = config.get('watch-history-memory')
  if (!config.isDefault('watch-history-memory')) return bytes
  return Math.min(bytes, Math.floor(memory.heapLimit * HISTORY_SHARE))
}

/** Where the data is kept, and how: the directives whose changes take time and may fail. */
interface Place {
  readonly dir: string
  readonly durability: Durability
}

/** The directives of one change. */
type Wanted = { -readonly [name in keyof Place]?: Place[name] }

/** Follows `dir` and `durability`, whose changes take time and may fail. */
export class PersistenceConfig implements PersistenceChanges {
  readonly #config: Config
  readonly #logger: Logger
  readonly #persistence: Persistence
  /** The latest change under way. */
  #change: Promise<void> | undefined
  /** What the present CONFIG SET changes, while it runs. */
  #gathering: Wanted | undefined
  /** The changes under way: the persistence makes one after the other. */
  readonly #underWay = new Set<Wanted>()
  /** What the persistence has: the directives go back to it when a change fails. */
  #made: Place
  /** The directives are being set to what the persistence has. */
  #restoring = false
  /** How many have asked for the end of the server. */
  #ends = 0

  constructor({ config, logger, persistence, group }: Configured) {
    this.#config = config
    this.#logger = logger
    this.#persistence = persistence
    this.#made = { dir: config.get('dir'), durability: config.get('durability') }
    const refuseInGroup = (): void => {
      if (group !== undefined) throw new Error('in a group etcd keeps the tree')
    }
    config.onChange('dir', (dir) => {
      if (this.#restoring) return
      refuseInGroup()
      if (dir === '') throw new Error('it must name a directory')
      this.#begin({ dir })
    })
    config.onChange('durability', (durability) => {
      if (this.#restoring) return
      refuseInGroup()
      this.#begin({ durability })
    })
  }

  get requested(): Promise<void> | undefined {
    // Nothing is gathered now if the change belongs to an earlier request.
    return this.#gathering === undefined ? undefined : this.#change
  }

  get isChanging(): boolean {
    return this.#underWay.size > 0
  }

  /** Resolves when the latest change has ended, whether it succeeded or failed. */
  async settled(): Promise<void> {
    await this.#change?.catch(() => {})
  }

  end(): Promise<void> | undefined {
    this.#ends++
    this.#persistence.ending = true
    return this.#change === undefined ? undefined : this.settled()
  }

  goOn(): void {
    this.#ends--
    this.#persistence.ending = this.#ends > 0
  }

  /** Gathers the changes of one CONFIG SET into one change, so that they fail together. */
  #begin(wanted: Wanted): void {
    if (this.#ends > 0) throw new Error('the server is being shut down')
    if (this.#gathering !== undefined) {
      Object.assign(this.#gathering, wanted)
      return
    }
    this.#gathering = wanted
    const change = this.#follow(wanted, this.#change)
    this.#change = change
    // The log has the failure too, because a program that sets a directive gets no error reply.
    change
      .catch((error: unknown) =>
        this.#logger.warn({ err: error }, 'could not change where the data is kept'),
      )
      .finally(() => {
        if (this.#change === change) this.#change = undefined
      })
      .catch(() => {})
  }

  /**
   * Makes the change, or sets the directives back if it fails.
   *
   * @param earlier a change that is still under way
   */
  async #follow(wanted: Wanted, earlier: Promise<void> | undefined): Promise<void> {
    this.#underWay.add(wanted)
    // CONFIG SET calls the listeners of both directives before this wait ends.
    await Promise.resolve()
    this.#gathering = undefined
    await earlier?.catch(() => {})
    // An earlier change may have failed, whose values the directives had when this one was asked for.
    const place = { ...this.#made, ...wanted }
    try {
      await this.#persistence.change(pathFromBytes(place.dir), place.durability)
      this.#made = place
    } finally {
      this.#underWay.delete(wanted)
      this.#restore()
    }
  }

  /** Sets the directives to what the persistence has, unless a later change is to set them. */
  #restore(): void {
    const later: Wanted = Object.assign({}, ...this.#underWay)
    const { dir, durability } = { ...this.#made, ...later }
    this.#restoring = true
    this.#config.set('dir', [dir])
    this.#config.set('durability', [durability])
    this.#restoring = false
  }
}
