import type { Etcd } from './etcd/etcd.ts'
import { type Compare, hasValue, isAbsent } from './etcd/types.ts'
import type { Keys } from './keys.ts'
import type { Membership } from './membership.ts'

/** A name is forgotten when there are so many later ones: its lease has run out long before. */
const MAX_NAMES = 8
/** One attempt may take this long, in milliseconds: nobody waits for it. */
const CLAIM_MS = 4000

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
  /** Names under which this node may hold the key without knowing it, because an answer has been lost. */
  readonly #asked = new Set<string>()
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

  /** Whether this node has a name, and so may be elected. */
  get mayStand(): boolean {
    return this.#membership() !== undefined
  }

  /** Holds as long as this node is elected under the name. */
  holds({ node }: Pick<Membership, 'node'>): Compare {
    return hasValue(this.#keys.elected, Buffer.from(node))
  }

  /** Becomes the elected node, if there is none. @returns whether this is the one */
  stand(): Promise<boolean> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  /** Has the next {@link stand} ask etcd again, because something that depends on it did not hold. */
  doubt(): void {
    this.#elected = undefined
  }

  async #ask(): Promise<boolean> {
    const membership = this.#membership()
    if (membership === undefined) return false
    if (membership === this.#elected) return true
    try {
      let holder = await this.#claim(membership, isAbsent(this.#keys.elected))
      if (holder !== membership.node && this.#asked.has(holder)) {
        // This node, under a former name whose lease has not run out.
        holder = await this.#claim(membership, this.holds({ node: holder }))
      }
      if (holder === membership.node) this.#elected = membership
    } catch {
      // Asked again when there is something to do. The key may be this node's already.
    }
    return this.elected !== undefined
  }

  /** Takes the key on a condition. @returns the name that holds it then */
  async #claim({ node, lease }: Membership, condition: Compare): Promise<string> {
    this.#remember(node)
    const key = this.#keys.elected
    const request = {
      compare: [condition],
      success: [{ request_put: { key, value: Buffer.from(node), lease } }],
      failure: [{ request_range: { key } }],
    }
    const { succeeded, responses } = await this.#etcd.txn(request, CLAIM_MS)
    if (succeeded) return node
    return responses[0].response_range?.kvs[0]?.value.toString('latin1') ?? ''
  }

  #remember(node: string): void {
    this.#asked.add(node)
    if (this.#asked.size <= MAX_NAMES) return
    for (const oldest of this.#asked) {
      this.#asked.delete(oldest)
      return
    }
  }
}
