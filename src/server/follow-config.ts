import type { Logger } from 'pino'
import { type Config, pathFromBytes } from '../config/config.ts'
import { queryBufferLimit } from '../config/query-buffer.ts'
import type { Keyspace } from '../keyspace/keyspace.ts'
import { KeyspaceNotifier } from '../keyspace/notifier.ts'
import type { MemoryGauge } from '../metrics/memory-gauge.ts'
import type { Persistence } from '../persistence/persistence.ts'
import type { Subscriptions } from '../pubsub/subscriptions.ts'
import type { Group } from '../request/group.ts'
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

type FormerValues = Partial<Record<'dir' | 'durability', string>>

/** Follows `dir` and `durability`, whose changes take time and may fail. */
export class PersistenceConfig {
  readonly #config: Config
  readonly #logger: Logger
  readonly #persistence: Persistence
  /** The latest change under way. */
  #change: Promise<void> | undefined
  /** The former values of the directives that the present CONFIG SET changes, while it runs. */
  #gathering: FormerValues | undefined
  /** How many changes are under way. */
  #count = 0
  /** A failed change is being taken back. */
  #restoring = false

  constructor({ config, logger, persistence, group }: Configured) {
    this.#config = config
    this.#logger = logger
    this.#persistence = persistence
    const refuseInGroup = (): void => {
      if (group !== undefined) throw new Error('in a group etcd keeps the tree')
    }
    config.onChange('dir', (directory, previous) => {
      refuseInGroup()
      if (directory === '') throw new Error('it must name a directory')
      this.#begin({ dir: previous })
    })
    config.onChange('durability', (_, previous) => {
      refuseInGroup()
      this.#begin({ durability: previous })
    })
  }

  /** The change that the present request has asked for, if any; rejects if the change fails. */
  get requested(): Promise<void> | undefined {
    // Nothing is gathered now if the change belongs to an earlier request.
    return this.#gathering === undefined ? undefined : this.#change
  }

  /** Whether a change is under way, so that the directives may yet be set back. */
  get isChanging(): boolean {
    return this.#count > 0
  }

  /** Resolves when the latest change has ended, whether it succeeded or failed. */
  async settled(): Promise<void> {
    await this.#change?.catch(() => {})
  }

  /** Gathers the changes of one CONFIG SET into one change, so that they fail together. */
  #begin(former: FormerValues): void {
    if (this.#restoring) return
    if (this.#gathering !== undefined) {
      Object.assign(this.#gathering, former)
      return
    }
    const gathered = { ...former }
    this.#gathering = gathered
    const change = this.#follow(gathered, this.#change)
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
  async #follow(former: FormerValues, earlier: Promise<void> | undefined): Promise<void> {
    this.#count++
    // CONFIG SET calls the listeners of both directives before this wait ends.
    await Promise.resolve()
    this.#gathering = undefined
    const directory = pathFromBytes(this.#config.get('dir'))
    const durability = this.#config.get('durability')
    await earlier?.catch(() => {})
    try {
      await this.#persistence.change(directory, durability)
    } catch (error) {
      this.#restoring = true
      for (const [name, value] of Object.entries(former)) this.#config.set(name, [value])
      this.#restoring = false
      throw error
    } finally {
      this.#count--
    }
  }
}
