/** A member of another cluster is asked again after this time, in milliseconds: somebody may have brought it back. */
const LEFT_OUT_MS = 10_000

/**
 * Which cluster of etcd is served, and which members are of it. A member that has lost its disk may come back at its old
 * address as a cluster of its own: it would have the nodes begin again with an empty tree.
 */
export class ClusterIdentity {
  readonly #urls: readonly string[]
  readonly #onForeign: (url: string) => void
  /** The cluster that each member has told last. */
  readonly #told: (number | undefined)[]
  /** Whether each has told it since it has last failed. */
  readonly #isChecked: boolean[]
  /** Until when each is left out, on the scale of `performance.now`. */
  readonly #leftOutUntil: number[]
  #id: number | undefined
  /** That of the first answer. */
  #first: number | undefined

  /** @param onForeign called when a member is found to be of another cluster */
  constructor(urls: readonly string[], onForeign: (url: string) => void = () => {}) {
    this.#urls = urls
    this.#onForeign = onForeign
    this.#told = urls.map(() => undefined)
    this.#isChecked = urls.map(() => false)
    this.#leftOutUntil = urls.map(() => Number.NEGATIVE_INFINITY)
  }

  /** What etcd calls the cluster, as exactly as a number has it; undefined before its first answer. */
  get id(): number | undefined {
    return this.#id
  }

  /** Whether all members have become those of another cluster since the first answer. */
  get isReplaced(): boolean {
    return this.#id !== this.#first
  }

  /** The cluster is known, before a member has been used. @param answers what each has told, if it has */
  settle(id: number | undefined, answers: readonly (number | undefined)[]): void {
    this.#id = id
    for (const [member, answer] of answers.entries()) {
      if (answer !== undefined) this.hear(member, answer)
    }
  }

  /** A member has told its cluster. @returns whether it is to be used */
  hear(member: number, id: number | undefined): boolean {
    this.#isChecked[member] = true
    // What stands between may leave it out.
    if (id === undefined || id === 0) return true
    const isNew = this.#told[member] !== id
    this.#told[member] = id
    this.#id ??= id
    this.#first ??= this.#id
    if (id === this.#id) return true
    // There is no other etcd any more. What it holds tells whether the node can go on.
    if (this.#told.every((each) => each !== undefined && each !== this.#id)) {
      this.#id = id
      return true
    }
    this.#isChecked[member] = false
    this.#leftOutUntil[member] = performance.now() + LEFT_OUT_MS
    if (isNew) this.#onForeign(this.#urls[member])
    return false
  }

  /** Its connection may have ended, and the next one may lead to another cluster. */
  doubt(member: number): void {
    this.#isChecked[member] = false
  }

  /** Whether a member has to tell its cluster before it is asked for anything else: an error tells none. */
  needsCheck(member: number): boolean {
    return this.#urls.length > 1 && this.#id !== undefined && !this.#isChecked[member]
  }

  /** The member to be tried after another one. */
  after(member: number): number {
    const count = this.#urls.length
    const now = performance.now()
    for (let i = 1; i <= count; i++) {
      const next = (member + i) % count
      if (this.#leftOutUntil[next] <= now) return next
    }
    return (member + 1) % count
  }

  /** Why a member is not used. */
  reasonFor(member: number): string {
    return `${this.#urls[member]} is of another cluster of etcd`
  }
}
