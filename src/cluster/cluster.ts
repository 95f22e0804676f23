import { hostname } from 'node:os'
import { pathFromBytes } from '../config/config.ts'
import { MAX_COMMON_IN_GROUP } from '../pubsub/common-patterns.ts'
import { type Client, closeListeners, type ServerContext } from '../request/client.ts'
import type { Find } from '../request/copy-bounds.ts'
import type { Dispatcher } from '../request/dispatcher.ts'
import type { Gate } from '../request/gate.ts'
import type { Group, GroupNode } from '../request/group.ts'
import { deniedBelow } from '../request/ordered-rights.ts'
import type { Clock } from '../store/clock.ts'
import { SnapshotError } from '../store/errors.ts'
import { version } from '../version.ts'
import { BatchQueue } from './batch-queue.ts'
import { ClusterError } from './cluster-error.ts'
import { Copies } from './copies.ts'
import { Election } from './election.ts'
import type { Etcd } from './etcd/etcd.ts'
import { etcdOf } from './etcd-directives.ts'
import { EtcdLog, type LoggedBatch } from './etcd-log.ts'
import { Expirer } from './expirer.ts'
import { FormatUpgrade } from './format-upgrade.ts'
import { GroupTime } from './group-time.ts'
import { Keeper } from './keeper.ts'
import { type BatchName, Keys } from './keys.ts'
import { LogClock } from './log-clock.ts'
import { LogFollower } from './log-follower.ts'
import { LogGate } from './log-gate.ts'
import { LogRunner } from './log-runner.ts'
import { type Membership, Memberships } from './membership.ts'
import { type NodeInfo, readNodeInfo } from './node-info.ts'
import { OwnDirectory } from './own-directory.ts'
import { placeOf } from './place.ts'
import { ReadBarrier } from './read-barrier.ts'
import { requestSizes } from './request-sizes.ts'
import { type SnapshotHead, Snapshots } from './snapshots.ts'
import { Waits } from './waits.ts'
import { WriteQueue } from './write-queue.ts'

/** A node that has not heard of etcd for this long is stale, in milliseconds. */
const STALE_MS = 2000
/** While etcd does not answer at the start, the log says so this often, in milliseconds. */
const WAITING_MS = 1000
/** The own copy of the tree is written at most this often, in milliseconds, and at the end. */
const KEEP_INTERVAL_MS = 60_000
/** When entries have waited for this long, in milliseconds, patterns that others are compared with count. */
const BEHIND_MS = 500
const UNCERTAIN = 'UNCERTAIN the write may have been made, or may still be made'

type Snapshotted = Pick<SnapshotHead, 'time' | 'changes' | 'recent'>

export interface ClusterParts {
  readonly server: ServerContext
  readonly dispatcher: Dispatcher
  readonly clock: LogClock
  /** Called when the node cannot go on. */
  onBroken(error: unknown): void
}

/** What a server needs to be a node of a group. */
export interface ClusterMaker {
  /** The server's clock. */
  readonly clock: LogClock
  make(parts: Omit<ClusterParts, 'clock'>): Cluster
}

export function clusterMaker(machine: Clock): ClusterMaker {
  const clock = new LogClock(machine)
  return { clock, make: (parts) => new Cluster({ ...parts, clock }) }
}

/** One node of a group: its way to the log in etcd, and from there into its store. */
export class Cluster implements Group {
  readonly gate: Gate
  readonly copies: Copies
  readonly #parts: ClusterParts
  readonly #etcd: Etcd
  readonly #keys: Keys
  readonly #log: EtcdLog
  readonly #follower: LogFollower
  readonly #queue: WriteQueue
  readonly #runner: LogRunner
  readonly #batches: BatchQueue
  readonly #gate: LogGate
  readonly #election: Election
  readonly #expirer: Expirer
  readonly #snapshots: Snapshots
  readonly #keeper: Keeper
  readonly #own: OwnDirectory
  readonly #time: GroupTime
  readonly #upgrade: FormatUpgrade
  #memberships: Memberships | undefined
  #place = ''
  #joining: Promise<Membership> | undefined
  /** Called when the node has applied further batches. */
  readonly #waits = new Waits()
  #isClosed = false
  #isBroken = false

  /** @throws the system's error if a file of a certificate cannot be read */
  constructor(parts: ClusterParts) {
    const { server, dispatcher, clock } = parts
    const { config, logger, store } = server
    const find: Find = (args) => dispatcher.find(args)
    this.#parts = parts
    server.pubsub.commonPatterns.most = MAX_COMMON_IN_GROUP
    server.pubsub.backlog.active = true
    server.pubsub.backlog.isLogBehind = () => this.#batches.lag > BEHIND_MS
    this.#keys = new Keys(config.get('etcd-prefix'))
    this.#etcd = etcdOf(config, logger)
    this.#log = new EtcdLog(this.#etcd, this.#keys)
    this.#follower = new LogFollower(
      { etcd: this.#etcd, keys: this.#keys, log: this.#log, logger },
      {
        onBatches: (batches) => this.#batches.add(batches),
        onPassed: (first) => this.#time.greet(first),
        whenRun: () => this.#waits.until(() => this.#batches.isEmpty),
        onCut: () => this.#restore(),
        onSight: (sight) => {
          this.#keeper.follow(sight.cut)
          this.#time.see(sight)
        },
        onBroken: (error) => this.#break(error),
      },
    )
    this.#queue = new WriteQueue({
      log: this.#log,
      logger,
      membership: () => this.#membership(),
      lose: (membership) => this.#memberships?.lose(membership),
      onPut: (batch, previous) => this.#follower.offer(batch, previous),
      refuse: (requests, reason) =>
        this.#gate.refuse(requests, `CLUSTERDOWN the write was not made: ${reason}`),
      doubt: (requests) => this.#gate.refuse(requests, UNCERTAIN),
    })
    this.#gate = new LogGate({
      clock,
      isReady: () => this.#time.isReached,
      hasPlace: () => this.#memberships?.current !== undefined,
      changes: () => this.#runner.recent.count,
      timeout: () => config.get('cluster-timeout'),
      takeOrdered: (client, transaction) => dispatcher.takeOrdered(client, transaction),
      deniedBelow: ({ user }, args) => deniedBelow(user, find(args), args),
      add: (waiting) => this.#queue.add(waiting),
      ...requestSizes(find, store, server.memory.heapLimit),
      isStrict: () => config.get('read-consistency') === 'linearizable',
      isRead: (args) => dispatcher.isRead(args),
      barrier: new ReadBarrier(
        () => this.sync(),
        () => config.get('cluster-timeout'),
      ),
    })
    this.#election = new Election(this.#etcd, this.#keys, () => this.#memberships?.current)
    this.#expirer = new Expirer({
      ...{ election: this.#election, store, clock },
      add: (waiting) => this.#queue.add(waiting),
    })
    this.#snapshots = new Snapshots(this.#etcd, this.#keys)
    this.#keeper = new Keeper({
      ...{ snapshots: this.#snapshots, election: this.#election, logger },
      limits: () => ({
        batches: config.get('log-max-batches'),
        bytes: config.get('log-max-memory'),
      }),
      take: () => this.copies.take(),
      keep: () => this.#keep(() => this.copies.saveSeldom(KEEP_INTERVAL_MS)),
    })
    const directory = pathFromBytes(config.get('dir'))
    this.#own = new OwnDirectory({
      directory: config.get('durability') === 'no' ? undefined : directory,
      ...{ etcd: this.#etcd, keys: this.#keys, log: this.#log, snapshots: this.#snapshots, logger },
    })
    this.#time = new GroupTime({
      ...{ clock, logger },
      membership: () => this.#memberships?.current,
      self: () => ({ name: this.name, place: this.#place }),
      nodes: () => this.nodes(),
      timeout: () => config.get('cluster-timeout'),
      add: (waiting) => this.#queue.add(waiting),
      onReached: () => this.#gate.release(),
    })
    this.#upgrade = new FormatUpgrade({
      ...{ etcd: this.#etcd, keys: this.#keys, snapshots: this.#snapshots },
      load: () => this.#follower.load(),
      take: () => this.copies.take(),
      restore: () => this.#restore(),
    })
    this.gate = this.#gate
    this.#runner = new LogRunner({
      ...{ server, dispatcher, clock },
      landed: (batch) => this.#queue.landed(batch),
      onTime: (node, revision, time) => this.#time.hear(node, revision, time),
      answer: (waiting, run) => this.#gate.answer(waiting, run),
    })
    this.#batches = new BatchQueue({
      begin: (batch) => this.#runner.begin(batch),
      onRun: (batches) => this.#onRun(batches),
      onFull: (isFull) => this.#follower.hold(isFull),
      onBroken: (error) => this.#break(error),
    })
    this.copies = new Copies({
      ...{ batches: this.#batches, store, clock, own: this.#own, logger },
      recent: () => this.#runner.recent,
      length: () => this.#keeper.log,
      isBroken: () => this.#isBroken,
    })
  }

  get state(): Group['state'] {
    if (this.silence > STALE_MS) return 'stale'
    return this.position < this.#follower.end ? 'catching-up' : 'ok'
  }

  get name(): string {
    const { config, port } = this.#parts.server
    return config.get('node-name') || `${hostname()}:${port}`
  }

  get position(): number {
    return this.#batches.position
  }

  get end(): number {
    return this.#follower.end
  }

  get silence(): number {
    return Math.max(0, performance.now() - this.#follower.heardAt)
  }

  get lag(): GroupNode['lag'] {
    const { end, completeAt } = this.#follower
    const isThere = this.state === 'ok' || completeAt === Number.NEGATIVE_INFINITY
    const ms = isThere ? 0 : Math.max(performance.now() - completeAt, this.#batches.lag)
    return { revisions: end - this.position, ms: Math.round(ms) }
  }

  get waiting(): number {
    return this.#queue.length
  }

  get isElected(): boolean {
    return this.#election.elected !== undefined
  }

  get log(): Group['log'] {
    return this.#keeper.log
  }

  /** Whether it has ended because it cannot go on with its group. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  get clockAhead(): number {
    return this.#parts.clock.ahead
  }

  /** The client that runs the writes of an EXEC. */
  writerFor(client: Client): Client {
    return this.#runner.writerFor(client)
  }

  /** Brings the store up to the log's end, and follows it. @throws ClusterError, EtcdError */
  async start(): Promise<void> {
    const { logger, store } = this.#parts.server
    const waits = setInterval(() => {
      const { trouble } = this.#etcd
      if (trouble !== undefined && this.silence === Number.POSITIVE_INFINITY)
        logger.warn(`waiting for etcd: ${trouble}`)
    }, WAITING_MS)
    try {
      await this.#etcd.agree(await this.#own.read(), (what) => logger.warn(what))
      await this.#log.open(() => this.#own.checkNew())
      if (this.#log.isFormer) await this.#upgrade.check()
      await this.#begin()
      if (this.#log.isFormer) await this.#upgrade.run()
      await this.#log.claim()
      await this.#follower.start()
    } finally {
      clearInterval(waits)
    }
    const { files, index } = store
    logger.info({ files, index }, `read ${files} files up to index ${index} from the log in etcd`)
  }

  /** Takes its place among the nodes. @param address where clients find this one */
  async join(address: string): Promise<void> {
    const { clock } = this.#parts
    const place = placeOf(address)
    this.#place = place
    const info = (): NodeInfo => {
      const { name, position: applied, lag } = this
      return { name, address, version, applied, lag, place, time: clock.now() }
    }
    const { logger } = this.#parts.server
    this.#memberships = new Memberships({
      ...{ etcd: this.#etcd, keys: this.#keys, isSameLog: this.#log.isSame, logger, info },
      onLost: () => void this.#join().catch(() => {}),
    })
    const membership = await this.#join()
    this.#expirer.arm()
    this.#time.join(membership)
  }

  async sync(signal?: AbortSignal): Promise<void> {
    const end = await this.#follower.askEnd()
    await this.#waits.until(() => this.position >= end, signal)
  }

  async nodes(): Promise<readonly (GroupNode & NodeInfo)[]> {
    const { kvs } = await this.#etcd.rangeOnce(this.#keys.nodes)
    const self = this.#memberships?.current?.node
    return kvs.map(({ key, value }) => {
      const id = this.#keys.nodeOf(key)
      const info = readNodeInfo(id, value)
      const isSelf = id === self
      return { id, ...info, ...(isSelf && { applied: this.position, lag: this.lag }), isSelf }
    })
  }

  async close(): Promise<void> {
    // The log has it all, and the next start runs the rest.
    this.#batches.drop()
    this.#isClosed = true
    this.#queue.close()
    this.#expirer.close()
    this.#time.close()
    this.#keeper.close()
    this.#follower.close()
    this.#waits.close()
    // Beside a long batch etcd's answers come late, so both wait together.
    const kept = this.#keep(() => this.copies.saveLast()).then(() => this.#batches.stop())
    await this.#memberships?.close()
    await kept
    this.#etcd.close()
  }

  /** Begins with what is in the node's own directory. */
  async #begin(): Promise<void> {
    const { config, clock, logger } = this.#parts.server
    if (config.get('etcd-bootstrap')) {
      const limits = {
        watchHistory: config.get('watch-history'),
        watchHistoryMemory: config.get('watch-history-memory'),
      }
      await this.#own.bootstrap({ clock, ...limits, isShared: true })
    }
    this.#own.check()
    const copy = await this.#own.usable()
    if (copy === undefined) return
    try {
      this.#goOnFrom(copy.head, copy.state)
    } catch (error) {
      // A former ktree may have kept what this one refuses.
      if (!(error instanceof SnapshotError)) throw error
      return this.#own.leaveOut(error)
    }
    const { revision, batch } = copy.head
    this.#beginAt(revision, batch)
    this.#keeper.beginWith(copy.length, revision)
    logger.info({ revision }, 'went on from the copy of the tree on the own disk')
  }

  #beginAt(revision: number, last: BatchName | undefined): void {
    this.#follower.beginAt(revision, last)
    this.#batches.beginAt(revision, last)
  }

  #goOnFrom({ time, changes, recent }: Snapshotted, state: Buffer): void {
    const { clock, server } = this.#parts
    server.store.recovery(state, true)
    this.#runner.recent.restore(changes, recent)
    clock.reach(time)
  }

  /** Writes the own copy of the tree, if there may be one. */
  async #keep(save: () => Promise<void>): Promise<void> {
    // Before the log's upgrade is over another node's tree may take the place of this one.
    const mayChange = this.#log.isFormer && this.#memberships === undefined
    if (this.#isBroken || mayChange || !this.#own.hasCopies) return
    try {
      await save()
    } catch (error) {
      this.#parts.server.logger.warn({ err: error }, 'could not write a copy of the tree')
    }
  }

  #join(): Promise<Membership> {
    const memberships = this.#memberships as Memberships
    this.#joining = memberships.join()
    this.#joining.catch((error: unknown) => {
      if (!this.#isClosed) this.#break(error)
    })
    return this.#joining
  }

  async #membership(): Promise<Membership> {
    for (;;) {
      const current = this.#memberships?.current
      if (current !== undefined) return current
      // Otherwise it would look again and again, because what it waits for is over.
      if (this.#isClosed) throw new ClusterError('this node is closed')
      if (this.#joining === undefined) throw new ClusterError('this node has not joined')
      await this.#joining
    }
  }

  #onRun(batches: readonly LoggedBatch[]): void {
    for (const batch of batches) if (batch.number === 0) this.#time.greet(batch)
    this.#keeper.note(batches)
    if (this.#memberships !== undefined) this.#expirer.arm()
    this.#waits.wake()
  }

  /** The tree may not be that of the log any more, so nothing of it may be kept. */
  #break(error: unknown): void {
    if (this.#isBroken) return
    this.#isBroken = true
    this.#parts.onBroken(error)
    this.#waits.wake()
  }

  /** Goes on from the snapshot in etcd. */
  async #restore(): Promise<void> {
    const { server } = this.#parts
    const snapshot = await this.#snapshots.read((what) =>
      server.logger.warn(`${what}: waiting until a node that has the tree cuts the log again`),
    )
    if (snapshot === undefined) {
      throw new ClusterError('the log in etcd has been cut, and there is no snapshot')
    }
    // Clients wait for replies of what comes before it.
    while (!this.#batches.isEmpty) await this.#waits.until(() => this.#batches.isEmpty)
    this.#goOnFrom(snapshot, snapshot.state)
    this.#beginAt(snapshot.revision, undefined)
    this.#queue.forget()
    this.#keeper.follow(snapshot.revision)
    // They would miss what came before the snapshot, and can ask for it by its index elsewhere.
    closeListeners(server)
    const { files, index } = server.store
    server.logger.info({ files, index }, `loaded ${files} files up to index ${index} from etcd`)
  }
}
