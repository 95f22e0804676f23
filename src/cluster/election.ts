import type { Etcd } from './etcd/etcd.ts'
import { type Compare, EQUAL, isAbsent, VALUE } from './etcd/types.ts'
import type { Keys } from './keys.ts'
import type { Membership } from './membership.ts'

/**
 * Chooses one node of the group, which has nodes of the tree expire and cuts the log: the one that holds a
 * key in etcd under its lease.
 */
export class Election {
  readonly #etcd: Etcd
  readonly #keys: Keys
  readonly #membership: () => Membership | undefined
  /** The name under which this node holds the key. */
  #elected: Membership | undefined
  #asking: Promise<boolean> | undefined

  /** @param membership undefined while this node has no name */
  constructor(etcd: Etcd, keys: Keys, membership: () => Membership | undefined) {
    this.#etcd = etcd
    this.#keys = keys
    this.#membership = membership
  }

  /** The name of this node, if it is elected, as far as it knows. */
  get elected(): Membership | undefined {
    const membership = this.#membership()
    return membership === this.#elected ? membership : undefined
  }

  /** Holds as long as this node is elected under the name. */
  holds({ node }: Membership): Compare {
    return { result: EQUAL, target: VALUE, key: this.#keys.elected, value: Buffer.from(node) }
  }

  /** Becomes the elected node, if there is none. @returns whether this is the one */
  stand(): Promise<boolean> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #ask(): Promise<boolean> {
    const membership = this.#membership()
    if (membership === undefined) return false
    if (membership === this.#elected) return true
    const key = this.#keys.elected
    const value = Buffer.from(membership.node)
    try {
      const { succeeded } = await this.#etcd.txn({
        compare: [isAbsent(key)],
        success: [{ request_put: { key, value, lease: membership.lease } }],
      })
      if (succeeded) this.#elected = membership
    } catch {
      // Asked again when there is something to do.
    }
    return this.elected !== undefined
  }
}
