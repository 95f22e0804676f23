import type { Membership } from './membership.ts'

/** A node that has joined waits at most this long for what the others tell, in milliseconds. */
const PATIENCE_MS = 5000
/** The nodes are listed again after this time, in milliseconds, because one of them may have gone. */
const LIST_MS = 500

export interface TimeAgreementParts {
  /** The ids of the other nodes in etcd's list. @throws EtcdError */
  others(): Promise<readonly string[]>
  /** Puts an entry with this node's time. @param done called when it is there, or has been given up */
  tell(done: () => void): void
  /** Puts an entry that asks for the time of the others. @param done called with its revision; with none if it has been given up */
  ask(done: (revision: number | undefined) => void): void
  /** Called when this node knows the group's time. @param told the nodes that have told theirs */
  onReached(told: ReadonlyMap<string, number>): void
}

/**
 * Has a node that joins learn the group's time before it takes a write.
 *
 * The last entry in the log tells what time it was then, and not how long ago that was. A node that went on
 * from there would give a lock in the past, and the next entry of another node would end it too early. So
 * each node answers the first batch of a new one with its time. The new one waits for all that etcd lists. So does one
 * whose clocks have stood still, after a question.
 */
export class TimeAgreement {
  readonly #parts: TimeAgreementParts
  /** The revision at which each node has last told its time. */
  readonly #told = new Map<string, number>()
  #isReached = false
  #isTelling = false
  /** Another node has joined since this one began to tell its time, which may have been before. */
  #isAskedAgain = false
  #isClosed = false
  #wake = (): void => {}

  constructor(parts: TimeAgreementParts) {
    this.#parts = parts
  }

  get isReached(): boolean {
    return this.#isReached
  }

  /** Waits until all others have told their time after this node has joined. Never rejects. */
  async reach({ revision }: Pick<Membership, 'revision'>): Promise<void> {
    const end = performance.now() + PATIENCE_MS
    while (!this.#isClosed && performance.now() < end) {
      if (await this.#haveAllTold(revision)) break
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LIST_MS)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    this.#end()
  }

  /**
   * Learns the group's time again, because this node's clocks have stood still. Does nothing while it is being learnt. If
   * etcd does not take the question, this node goes on with what it knows: it takes no writes meanwhile either.
   */
  renew(): void {
    if (!this.#isReached || this.#isClosed) return
    this.#isReached = false
    this.#parts.ask((revision) => {
      if (revision === undefined) this.#end()
      else void this.reach({ revision })
    })
  }

  /** A node has told its time. @param revision of the batch */
  hear(node: string, revision: number): void {
    if (this.#isReached) return
    this.#told.set(node, revision)
    this.#wake()
  }

  /** Another node has joined, or asks, or this one has something new to tell. */
  answer(): void {
    this.#isAskedAgain = this.#isTelling
    if (this.#isTelling) return
    this.#isTelling = true
    this.#parts.tell(() => {
      this.#isTelling = false
      if (this.#isAskedAgain && !this.#isClosed) this.answer()
    })
  }

  close(): void {
    this.#isClosed = true
    this.#wake()
  }

  #end(): void {
    if (!this.#isClosed) {
      this.#isReached = true
      this.#parts.onReached(this.#told)
    }
    this.#told.clear()
  }

  async #haveAllTold(joined: number): Promise<boolean> {
    try {
      const others = await this.#parts.others()
      return others.every((node) => (this.#told.get(node) ?? 0) > joined)
    } catch {
      // etcd may answer the next time.
      return false
    }
  }
}
