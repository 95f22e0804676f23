import type { BatchName } from './keys.ts'
import type { Membership } from './membership.ts'
import type { Waiting } from './waiting.ts'

/** A batch that has been given a place in the log, until it is applied. */
export class Flight {
  readonly membership: Membership
  readonly number: number
  readonly record: readonly Uint8Array[]
  /** Those that wait for it; empty once they have been answered. */
  requests: readonly Waiting[]
  /** Whether an attempt to put it may have succeeded, or may still succeed. */
  isDoubtful = false
  /** Whether it has been sent to etcd whole: until then it is not there, though parts of it may be. */
  isWhole = false
  /** Whether its clients have been told that it will never be there. */
  isRefused = false
  /** Whether it is in the log. */
  isPut = false
  /** Resolves when the log has brought it, or a void in its place. */
  readonly landed: Promise<void>
  #hasLanded = false
  #land: () => void = () => {}

  constructor(
    membership: Membership,
    number: number,
    record: readonly Uint8Array[],
    requests: readonly Waiting[],
  ) {
    this.membership = membership
    this.number = number
    this.record = record
    this.requests = requests
    this.landed = new Promise((resolve) => {
      this.#land = resolve
    })
  }

  get name(): BatchName {
    return { node: this.membership.node, number: this.number }
  }

  get hasLanded(): boolean {
    return this.#hasLanded
  }

  land(): void {
    this.#hasLanded = true
    this.#land()
  }

  /** When the first of its clients stops waiting. */
  get deadline(): number {
    return this.requests[0]?.deadline ?? Number.NEGATIVE_INFINITY
  }
}
