import type { Config } from '../config/config.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Store } from '../store/store.ts'
import { CommandError } from './arguments/errors.ts'
import type { PreparedCommand } from './prepared-command.ts'

type Broad = Pick<PreparedCommand, 'broad'>

/** A call that takes less is not counted, in milliseconds: almost every request takes as long. */
const UNCOUNTED_MS = 0.002

/**
 * Bounds the time that the broad requests of one EXEC take together, because nobody else is served meanwhile: short
 * requests could each look through the whole tree. Requests that change the tree are never broad, because what a
 * transaction writes must not depend on time.
 */
export class BroadTime {
  readonly #store: Store
  /** In milliseconds. */
  #most = 0
  #spent = 0

  constructor(config: Config, store: Store) {
    this.#store = store
    const follow = (): void => {
      const limit = config.get('exec-read-time-limit')
      this.#most = limit === 0 ? Number.POSITIVE_INFINITY : limit
    }
    follow()
    config.onChange('exec-read-time-limit', follow)
  }

  /** An EXEC begins. */
  begin(): void {
    this.#spent = 0
  }

  /** Why a request is not to be called, if those before it have taken too long. */
  refusal(command: Broad, args: RequestArguments): CommandError | undefined {
    if (this.#spent < this.#most || !this.#isBroad(command, args)) return undefined
    return new CommandError(
      `ERR too much time taken to look through the tree, clients, users or history by one transaction (exec-read-time-limit is ${this.#most} ms)`,
    )
  }

  /** Called after a call. @param time that it has taken, in milliseconds */
  add(command: Broad, args: RequestArguments, time: number): void {
    if (time > UNCOUNTED_MS && this.#isBroad(command, args)) this.#spent += time
  }

  #isBroad({ broad }: Broad, args: RequestArguments): boolean {
    if (typeof broad !== 'function') return broad === true
    try {
      return broad(args as readonly string[], this.#store)
    } catch {
      // A request that is refused for its arguments looks through nothing.
      return false
    }
  }
}
