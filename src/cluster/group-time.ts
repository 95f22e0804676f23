import type { Logger } from 'pino'
import type { LoggedBatch, Sight } from './etcd-log.ts'
import type { LogClock } from './log-clock.ts'
import type { Membership } from './membership.ts'
import { type NodeInfo, timeIn } from './node-info.ts'
import { TimeAgreement } from './time-agreement.ts'
import type { WaitingExpiry } from './waiting.ts'

/** A machine's clock that is ahead by less is not told of, because entries take some milliseconds to come, too. */
const NOISE_MS = 50
/** A node tells of its clock at most this often unless another one asks, in milliseconds. */
const TELL_MS = 1000
/** A node that is behind by more asks the others: its machine has stood still. */
const BEHIND_MS = 250
/** The time of an entry that asks for the time of the others. It is none that a clock has. */
const QUESTION = 0

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

/**
 * Has the nodes of a group follow the clock that is farthest ahead. Time goes from node to node by entries: a node tells its
 * time when it joins, when another one asks, and when its machine's clock has gone ahead. It also stands in what each
 * node tells of itself every few seconds. A node that sees there that it is far behind has stood still, with both of its
 * clocks; it asks the others, and takes no write until they have answered.
 */
export class GroupTime {
  readonly #parts: GroupTimeParts
  readonly #agreement: TimeAgreement
  /** Other nodes with this one's name, and their addresses. */
  #namesakes = new Map<string, string>()
  #toldAt = Number.NEGATIVE_INFINITY
  /** The revision of the last batch that told a time, or asked for one. */
  #lastHeard = 0

  constructor(parts: GroupTimeParts) {
    this.#parts = parts
    this.#agreement = new TimeAgreement({
      others: () => this.#others(),
      tell: (done) => this.#tell(done),
      ask: (done) => this.#ask(done),
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

  /** A node has told its time, or asks for that of the others. @param revision of the batch */
  hear(node: string, revision: number, time: number): void {
    this.#lastHeard = revision
    if (time === QUESTION) this.greet({ node })
    else this.#agreement.hear(node, revision)
  }

  /** To be called now and then with what etcd tells. */
  see({ nodes }: Pick<Sight, 'nodes'>): void {
    const { clock } = this.#parts
    let latest = QUESTION
    for (const { value } of nodes) latest = Math.max(latest, timeIn(value) ?? QUESTION)
    const behind = latest - clock.now()
    if (behind > 0) clock.learn(latest)
    if (!this.isReached) return
    if (behind > BEHIND_MS) {
      const ms = Math.round(behind)
      this.#parts.logger.warn(
        { ms },
        `this node was ${ms} ms behind the time of the group: asks the others before it takes writes`,
      )
      this.#agreement.renew()
    } else if (clock.untold > NOISE_MS && performance.now() - this.#toldAt >= TELL_MS) {
      this.#agreement.answer()
    }
  }

  close(): void {
    this.#agreement.close()
  }

  /** Brings the log's time up to this node's, by an entry that expires nothing. */
  #tell(done: () => void): void {
    const { clock } = this.#parts
    const { offset } = clock
    this.#toldAt = performance.now()
    this.#add(clock.now(), (isApplied) => {
      if (isApplied) clock.noteTold(offset)
      done()
    })
  }

  #ask(done: (revision: number | undefined) => void): void {
    this.#add(QUESTION, (isApplied) => done(isApplied ? this.#lastHeard : undefined))
  }

  #add(time: number, done: (isApplied: boolean) => void): void {
    const deadline = performance.now() + this.#parts.timeout()
    this.#parts.add({ kind: 'expire', count: 0, time, deadline, done })
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
