import { CommandError } from '../request/arguments/errors.ts'
import type { Subscriber } from './subscriber.ts'

/** So many common patterns of the tree may one client subscribe to. */
export const MAX_COMMON_OF_CLIENT = 100
/** So many different ones may all clients subscribe to together. */
export const MAX_COMMON = 1000
/** And in a group, where no RENAME is refused for what nodes listen to. */
export const MAX_COMMON_IN_GROUP = 100

/**
 * Counts the common patterns of the tree: those that are compared with most keys, because they name nothing that few keys
 * have. They are bounded where they come, because others would wait for the comparisons, and large RENAMEs of others be
 * refused: beside the most of them, a directory of 20,000 nodes can still be moved.
 */
export class CommonPatterns {
  /** So many different ones may all clients subscribe to together. */
  most = MAX_COMMON
  readonly #ofClient = new Map<Subscriber, number>()
  #count = 0

  /** @param isNew whether nobody listens to the pattern yet */
  mayAdd(client: Subscriber, isNew: boolean): boolean {
    if (isNew && this.#count >= this.most) return false
    return (this.#ofClient.get(client) ?? 0) < MAX_COMMON_OF_CLIENT
  }

  add(client: Subscriber, isNew: boolean): void {
    this.#ofClient.set(client, 1 + (this.#ofClient.get(client) ?? 0))
    if (isNew) this.#count++
  }

  /** @param isLast whether nobody listens to the pattern any more */
  remove(client: Subscriber, isLast: boolean): void {
    const left = (this.#ofClient.get(client) ?? 0) - 1
    if (left > 0) this.#ofClient.set(client, left)
    else this.#ofClient.delete(client)
    if (isLast) this.#count--
  }

  /** The refusal of one more. */
  tooMany(): CommandError {
    return new CommandError(
      `ERR too many patterns of keys that name no bytes of their own (the limit is ${MAX_COMMON_OF_CLIENT} of a client, ${this.most} of all)`,
    )
  }
}
