import type { Store } from '../store/store.ts'
import type { Election } from './election.ts'
import type { LogClock } from './log-clock.ts'
import type { WaitingExpiry } from './waiting.ts'

/** The most nodes that one entry expires. */
const NODES_PER_ENTRY = 1000
/** While nodes are due that another node should expire, it is asked for this often, in milliseconds. */
const LOOK_MS = 1000
/** An entry that is not in the log after this time is given up, in milliseconds. */
const ENTRY_MS = 5000

export interface ExpirerParts {
  readonly election: Election
  readonly store: Store
  readonly clock: LogClock
  /** Gives an entry a place in the log. */
  add(waiting: WaitingExpiry): void
}

/**
 * Has nodes of the tree expire, by entries of the elected node. Until such an entry is applied, every node
 * hides what is overdue by its own clock.
 */
export class Expirer {
  readonly #parts: ExpirerParts
  #cancel: (() => void) | undefined
  /** When it looks next, in Unix milliseconds. */
  #armedFor = Number.POSITIVE_INFINITY
  /** An entry is on its way, or etcd is being asked who expires. */
  #isBusy = false
  #isClosed = false

  constructor(parts: ExpirerParts) {
    this.#parts = parts
  }

  /** To be called when the tree has changed. Cheap. */
  arm(): void {
    if (this.#isBusy || this.#isClosed) return
    const next = this.#parts.store.nextExpiry()
    if (next === undefined || next >= this.#armedFor) return
    this.#lookAt(next)
  }

  close(): void {
    this.#isClosed = true
    this.#cancel?.()
  }

  #lookAt(time: number): void {
    const { clock } = this.#parts
    this.#cancel?.()
    this.#armedFor = time
    this.#cancel = clock.schedule(
      () => {
        this.#armedFor = Number.POSITIVE_INFINITY
        this.#look()
      },
      Math.max(0, time - clock.now()),
    )
  }

  #look(): void {
    const { store, clock } = this.#parts
    const next = store.nextExpiry()
    if (this.#isBusy || this.#isClosed || next === undefined) return
    const now = clock.now()
    if (next > now) this.#lookAt(next)
    else if (this.#parts.election.elected !== undefined) this.#expire(now)
    else void this.#elect()
  }

  #expire(time: number): void {
    this.#isBusy = true
    this.#parts.add({
      kind: 'expire',
      count: NODES_PER_ENTRY,
      time,
      deadline: performance.now() + ENTRY_MS,
      done: (isApplied) => {
        this.#isBusy = false
        if (isApplied) this.arm()
        else this.#lookAt(this.#parts.clock.now() + LOOK_MS)
      },
    })
  }

  async #elect(): Promise<void> {
    this.#isBusy = true
    const isElected = await this.#parts.election.stand()
    this.#isBusy = false
    if (this.#isClosed) return
    if (isElected) this.#look()
    else this.#lookAt(this.#parts.clock.now() + LOOK_MS)
  }
}
