import { randomBytes, randomInt } from 'node:crypto'
import type { Logger } from 'pino'
import { VOID_VALUE } from './batch-value.ts'
import { anotherLog, ClusterError } from './cluster-error.ts'
import type { Etcd } from './etcd/etcd.ts'
import { EtcdError, NOT_FOUND } from './etcd/etcd-error.ts'
import { type Compare, exists, isAbsent } from './etcd/types.ts'
import type { Keys } from './keys.ts'
import type { NodeInfo } from './node-info.ts'

/** How long a node that says nothing counts as alive, in seconds. */
export const LEASE_SECONDS = 10
/** A lease is kept this often, in milliseconds. */
const KEEP_MS = 2500
const RETRY_MS = 200
/** An attempt to join is given so long, and twice as long after each failure, in milliseconds: a lease holds for two. */
const ATTEMPT_MS = 1000
const MAX_ATTEMPT_MS = 4000
/** While a node cannot join, the log says why this often, in milliseconds. */
const TELL_MS = 1000
/** Numbers of leases are kept below what a number of JavaScript holds exactly. */
const MAX_LEASE = 2 ** 47

/** A name under which a node writes, as long as its lease lasts. */
export interface Membership {
  readonly node: string
  readonly lease: number
  /** The revision of etcd at which the node has joined. */
  readonly revision: number
}

export interface MembershipsParts {
  readonly etcd: Etcd
  readonly keys: Keys
  /** Holds as long as the log is the one that this node follows. */
  readonly isSameLog: Compare
  readonly logger: Logger
  info(): NodeInfo
  /** Called when the lease has run out; another name has to be taken. */
  onLost(): void
}

/** Keeps this node in the list of nodes: under a new name whenever its lease has run out. */
export class Memberships {
  readonly #parts: MembershipsParts
  #current: Membership | undefined
  #joining: Promise<Membership> | undefined
  #toldAt = Number.NEGATIVE_INFINITY
  #attemptMs = ATTEMPT_MS
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(parts: MembershipsParts) {
    this.#parts = parts
  }

  /** Undefined while there is none. */
  get current(): Membership | undefined {
    return this.#current
  }

  /**
   * Takes a name; tries until it succeeds. To be called again only when that is over.
   *
   * @throws EtcdError if it never will; ClusterError if the log is another one, or this has been closed
   */
  join(): Promise<Membership> {
    this.#joining = this.#join()
    return this.#joining
  }

  /** The present name is not valid any more. */
  lose(membership: Membership): void {
    if (membership !== this.#current) return
    this.#current = undefined
    clearTimeout(this.#timer)
    this.#parts.logger.warn('the lease in etcd has run out: taking another name')
    this.#parts.onLost()
  }

  /** Leaves the list. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    const { lease } = this.#current ?? {}
    this.#current = undefined
    if (lease !== undefined) await this.#revoke(lease)
    // It may have put a name already.
    await this.#joining?.catch(() => {})
  }

  async #join(): Promise<Membership> {
    while (!this.#closed) {
      const node = randomBytes(8).toString('hex')
      const lease = randomInt(1, MAX_LEASE)
      try {
        await this.#parts.etcd.grantLease(lease, LEASE_SECONDS, this.#attemptMs)
        const revision = await this.#putName(node, lease)
        if (!this.#closed) return this.#take({ node, lease, revision })
      } catch (error) {
        if (!this.#closed) {
          if (!(error instanceof EtcdError) || !this.#mayJoinAfter(error)) throw error
          await this.#pause(error)
        }
      }
      // Others would wait for a node in the list that says nothing, as long as its lease lasts.
      if (this.#closed) await this.#revoke(lease)
    }
    throw new ClusterError('this node is closed')
  }

  /** Also when somebody has made room. */
  #mayJoinAfter(error: EtcdError): boolean {
    return error.isNoSpace || this.#parts.etcd.mayPass(error)
  }

  #take(membership: Membership): Membership {
    this.#current = membership
    this.#parts.etcd.noteAdmitted()
    this.#attemptMs = ATTEMPT_MS
    this.#schedule(KEEP_MS)
    return membership
  }

  async #revoke(lease: number): Promise<void> {
    await this.#parts.etcd.revokeLease(lease).catch(() => {})
  }

  /**
   * Puts a name until it is known to be there: an attempt whose answer is lost would leave a node in the list
   * that says nothing, and for which others would wait.
   *
   * @returns the revision at which it is there @throws EtcdError if it never will be; ClusterError if the log
   * is another one
   */
  async #putName(node: string, lease: number): Promise<number> {
    const key = this.#parts.keys.node(node)
    for (;;) {
      const value = Buffer.from(JSON.stringify(this.#parts.info()))
      // Each batch depends on the one before, so the first one needs one, too.
      const first = { key: this.#parts.keys.batch({ node, number: 0 }), value: VOID_VALUE }
      try {
        const request = {
          compare: [this.#parts.isSameLog, isAbsent(key)],
          success: [{ request_put: { key, value, lease } }, { request_put: first }],
          failure: [{ request_range: { key, keys_only: true } }],
        }
        const answer = await this.#parts.etcd.txn(request, this.#attemptMs)
        const { succeeded, header, responses } = answer
        const found = responses[0].response_range?.kvs[0]
        if (succeeded) return header.revision
        if (found === undefined) throw anotherLog(this.#parts.etcd.isReplaced)
        return found.create_revision
      } catch (error) {
        if (!(error instanceof EtcdError) || this.#closed) throw error
        // The lease has run out meanwhile.
        if (error.code === NOT_FOUND) throw error
        if (!this.#mayJoinAfter(error)) throw error
        await this.#pause(error)
      }
    }
  }

  /** Waits before the next attempt, and tells why. */
  async #pause({ message, isOfRights }: EtcdError): Promise<void> {
    this.#attemptMs = Math.min(2 * this.#attemptMs, MAX_ATTEMPT_MS)
    const now = performance.now()
    // Refused rights are told where etcd is asked.
    if (!isOfRights && now - this.#toldAt >= TELL_MS) {
      this.#toldAt = now
      this.#parts.logger.warn(`waiting for a place among the nodes: ${message}`)
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }

  /** Tells the other nodes how far this one is. */
  async #tell({ node, lease }: Membership): Promise<void> {
    const key = this.#parts.keys.node(node)
    const value = Buffer.from(JSON.stringify(this.#parts.info()))
    // A name that is not there any more must not come back.
    const success = [{ request_put: { key, value, lease } }]
    await this.#parts.etcd.txn({ compare: [exists(key)], success }).catch(() => {})
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#keep(), ms)
  }

  async #keep(): Promise<void> {
    const membership = this.#current
    if (membership === undefined || this.#closed) return
    try {
      const seconds = await this.#parts.etcd.keepLease(membership.lease)
      if (this.#closed || membership !== this.#current) return
      if (seconds > 0) {
        this.#schedule(KEEP_MS)
        await this.#tell(membership)
      } else this.lose(membership)
    } catch {
      if (!this.#closed && membership === this.#current) this.#schedule(RETRY_MS)
    }
  }
}
