import type { Logger } from 'pino'
import type { LoggedBatch } from './etcd-log.ts'
import type { LogClock } from './log-clock.ts'
import type { Membership } from './membership.ts'
import type { NodeInfo } from './node-info.ts'
import { TimeAgreement } from './time-agreement.ts'
import type { WaitingExpiry } from './waiting.ts'

/** Another node, or this one. */
export interface ListedNode {
  readonly id: string
  readonly name: string
  readonly address: string
  /** See `place.ts`. */
  readonly place?: string | undefined
  readonly isSelf: boolean
}

export interface GroupTimeParts {
  readonly clock: LogClock
  readonly logger: Logger
  /** The name by which this node writes. */
  membership(): Membership | undefined
  /** What this node tells of itself. */
  self(): Pick<NodeInfo, 'name' | 'place'>
  /** All nodes. @throws EtcdError */
  nodes(): Promise<readonly ListedNode[]>
  /** How long an entry may wait for its place in the log, in milliseconds. */
  timeout(): number
  /** Gives an entry a place in the log. */
  add(waiting: WaitingExpiry): void
  /** Called whenever this node may take writes. */
  onReached(): void
}

/** Has the nodes of a group follow the clock that is farthest ahead: a node tells its time when it joins, and when another one does. */
export class GroupTime {
  readonly #parts: GroupTimeParts
  readonly #agreement: TimeAgreement
  /** Other nodes with this one's name, and their addresses. */
  #namesakes = new Map<string, string>()

  constructor(parts: GroupTimeParts) {
    this.#parts = parts
    this.#agreement = new TimeAgreement({
      others: () => this.#others(),
      tell: (done) => this.#tell(done),
      onReached: (told) => {
        this.#warnOfNamesakes(told)
        parts.onReached()
      },
    })
  }

  /** Whether this node knows the group's time, and so may take writes. */
  get isReached(): boolean {
    return this.#agreement.isReached
  }

  /** This node has joined. */
  join(membership: Membership): void {
    this.#tell(() => {})
    void this.#agreement.reach(membership)
  }

  /** Answers the first batch of a node that joins. */
  greet({ node }: Pick<LoggedBatch, 'node'>): void {
    const membership = this.#parts.membership()
    if (membership !== undefined && membership.node !== node) this.#agreement.answer()
  }

  /** A node has told its time. @param revision of the batch */
  hear(node: string, revision: number): void {
    this.#agreement.hear(node, revision)
  }

  close(): void {
    this.#agreement.close()
  }

  /** Brings the log's time up to this node's, by an entry that expires nothing. */
  #tell(done: () => void): void {
    const { clock, timeout, add } = this.#parts
    const deadline = performance.now() + timeout()
    add({ kind: 'expire', count: 0, time: clock.now(), deadline, done })
  }

  /** The ids of the other nodes, except those that have certainly gone, because this one has their place. */
  async #others(): Promise<string[]> {
    const nodes = await this.#parts.nodes()
    const { name, place } = this.#parts.self()
    const others = nodes.filter((node) => !node.isSelf && node.place !== place)
    const namesakes = others.filter((node) => node.name === name)
    this.#namesakes = new Map(namesakes.map(({ id, address }) => [id, address]))
    return others.map(({ id }) => id)
  }

  /** @param told those that have told their time, and so are alive */
  #warnOfNamesakes(told: ReadonlyMap<string, number>): void {
    for (const [id, address] of this.#namesakes) {
      if (!told.has(id)) continue
      const { name } = this.#parts.self()
      this.#parts.logger.warn(
        { name, address },
        `another node, at ${address}, is called ${name}, too: give each a node-name of its own`,
      )
    }
  }
}
