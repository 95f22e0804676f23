import { pino } from 'pino'
import { Users } from '../access/users.ts'
import { commandTable } from '../commands/table.ts'
import { Config } from '../config/config.ts'
import { Keyspace } from '../keyspace/keyspace.ts'
import { newServerStats } from '../metrics/counters.ts'
import type { MemoryGauge } from '../metrics/memory-gauge.ts'
import { Subscriptions } from '../pubsub/subscriptions.ts'
import { catalogueOf } from '../request/access-of-command.ts'
import type { Client, ServerContext } from '../request/client.ts'
import { ServerClock } from '../request/clock.ts'
import { Dispatcher } from '../request/dispatcher.ts'
import { LongWork } from '../request/long-work.ts'
import { withPathsOf } from '../request/many-paths.ts'
import { ReplyWriter } from '../resp/reply-writer.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import { PathError, StoreError } from '../store/errors.ts'
import { STAT_NAMES } from '../store/stats.ts'
import type { Store } from '../store/store.ts'
import { type DirectWrite, type Entry, EntryReader } from './entry.ts'
import { DamagedJournalError, JournalError } from './journal-errors.ts'

/**
 * Applies entries to a store, whose clock stands at the time of each.
 *
 * What comes out depends on the entries and the store alone. The configuration has no say, because a
 * request that it refuses is no entry; so commands run here with the widest limits.
 */
export class Applier {
  readonly #store: Store
  readonly #clock: ServerClock
  readonly #dispatcher: Dispatcher
  readonly #client: Client
  /** Why a path of the record was refused, if one was. */
  #refusedPath: PathError | undefined
  /** The server that commands see: its limits are the widest. */
  readonly server: ServerContext

  /**
   * @param store its clock must be a {@link ServerClock}, which can be stopped
   * @param shared what the commands have in common with a server's own
   */
  constructor(store: Store, shared: Partial<ServerContext> = {}) {
    const { clock } = store
    if (!(clock instanceof ServerClock)) throw new TypeError('the clock cannot be stopped')
    this.#store = store
    this.#clock = clock
    const server = { ...contextOf(store, clock), ...shared }
    this.#dispatcher = new Dispatcher(server, commandTable)
    this.#client = silentClient(server)
    this.server = server
  }

  /**
   * Applies a record of the journal.
   *
   * @throws DamagedJournalError if it is not readable, or if it does not lead to the index that it led to before
   * @throws JournalError if that is because of a path that is too long or too deep by now
   */
  applyRecord(record: Buffer): void {
    this.#refusedPath = undefined
    const reader = new EntryReader(record)
    for (let entry = reader.next(); entry !== undefined; entry = reader.next()) this.apply(entry)
    const { index } = this.#store
    if (index === reader.index) return
    if (this.#refusedPath !== undefined) throw refusedNow(this.#refusedPath)
    throw new DamagedJournalError(
      'the journal',
      `it does not go on from the tree, whose index would be ${index} and was ${reader.index}`,
    )
  }

  /** Applies an EXEC, which may have to make room by expiring nodes. */
  applyTransaction({ time, requests }: { time: number; requests: Requests }): void {
    this.#clock.stopAt(time)
    const { movedNodes, copiedBytes } = this.#client
    this.#client.movedNodes = this.#client.copiedBytes = 0
    try {
      withPathsOf(this.#store, requests, () => {
        this.#dispatcher.applyTransaction(this.#client, requests)
      })
    } finally {
      this.#client.movedNodes = movedNodes
      this.#client.copiedBytes = copiedBytes
      this.#clock.goOn()
    }
  }

  apply(entry: Entry): void {
    const clock = this.#clock
    clock.stopAt(entry.time)
    try {
      if (entry.kind === 'requests') {
        const { requests } = entry
        withPathsOf(this.#store, requests, () => {
          for (const args of requests) {
            this.#noteRefusal(this.#dispatcher.apply(this.#client, args))
          }
        })
      } else if (entry.kind === 'expire') this.#expire(entry.count, entry.time)
      else if (entry.kind === 'direct') this.#write(entry.write)
      else for (const [i, name] of STAT_NAMES.entries()) this.#store.stats[name] = entry.values[i]
    } finally {
      clock.goOn()
    }
  }

  #expire(count: number, time: number): void {
    for (let left = count; left > 0; ) {
      const next = this.#store.nextExpiry()
      if (next === undefined || next > time) return
      left -= this.#store.deleteExpiredKeys(time, left)
    }
  }

  #write(write: DirectWrite): void {
    try {
      this.#tryWrite(write)
    } catch (error) {
      // The store's index shows that it differs.
      if (!(error instanceof StoreError || error instanceof PathError)) throw error
      this.#noteRefusal(error)
    }
  }

  #noteRefusal(error: unknown): void {
    if (error instanceof PathError) this.#refusedPath ??= error
  }

  #tryWrite({ action, path, dir, refresh, value, expireTime }: DirectWrite): void {
    const store = this.#store
    const options = { expireTime, refresh }
    switch (action) {
      case 'create':
        if (dir) store.createDirectory(path, options)
        else store.create(path, value, options)
        return
      case 'set':
        if (dir) store.setDirectory(path, options)
        else store.set(path, value, options)
        return
      case 'update':
        store.update(path, value, options)
        return
      case 'compareAndSwap': {
        const prevIndex = store.lookup(path)?.modifiedIndex
        store.compareAndSwap(path, { prevIndex }, value, options)
        return
      }
      case 'compareAndDelete':
        store.compareAndDelete(path, {})
        return
      case 'delete':
        if (path === '/') store.flush()
        else store.delete(path, { recursive: dir })
        return
      case 'expire':
        store.expireNode(path)
    }
  }
}

type Requests = readonly RequestArguments[]

/** The journal is not damaged: an older version has written to a path that this one refuses. */
function refusedNow({ message }: PathError): JournalError {
  return new JournalError(
    `the journal has a write of an older version of ktree that this one refuses: ${message}. ` +
      'Start that version, remove what has such a path, and end it with SHUTDOWN SAVE',
  )
}

/** A request that memory refuses is no entry. */
const AMPLE_MEMORY = {
  add: () => {},
  isExceeded: () => false,
  isReserveTaken: () => false,
  heapHasRoomFor: () => true,
  heapHasRoomToRead: () => true,
  hasRoomFor: () => true,
} as Partial<MemoryGauge> as MemoryGauge

/** What commands that write need of a server. */
function contextOf(store: Store, clock: ServerClock): ServerContext {
  const config = new Config()
  config.set('proto-max-bulk-len', ['256mb'])
  const stats = newServerStats()
  const catalogue = catalogueOf(commandTable)
  const needed: Partial<ServerContext> = {
    store,
    clock,
    config,
    stats,
    logger: pino({ level: 'silent' }),
    memory: AMPLE_MEMORY,
    longWork: new LongWork().endLimit(),
    catalogue,
    users: new Users(catalogue, () => true),
    keyspace: new Keyspace(store, stats),
    pubsub: new Subscriptions(store, () => {}),
    commandStats: new Map(),
    clients: new Map(),
    monitors: new Set(),
  }
  return needed as ServerContext
}

/** A client that has no connection, may do anything, and gets no replies. */
export function silentClient(server: ServerContext): Client {
  const reply = new ReplyWriter()
  reply.muted = true
  const nothing = (): void => {}
  return {
    server,
    reply,
    id: 0,
    address: '',
    localAddress: '',
    isUnixSocket: false,
    isLocal: true,
    createdAt: 0,
    lastRequestAt: 0,
    lastCommand: '',
    name: '',
    libraryName: '',
    libraryVersion: '',
    // The default user, who may do anything: what was denied is no entry.
    user: server.users.default,
    authenticated: true,
    awaited: undefined,
    monitor: false,
    owed: 0,
    owedBytes: 0,
    receivedBytes: 0,
    onSettled: undefined,
    noEvict: false,
    noTouch: false,
    replyMode: 'off',
    transaction: undefined,
    watched: undefined,
    executing: true,
    expiryWait: undefined,
    // What a journal has was within the limit when it ran.
    movedNodes: Number.NEGATIVE_INFINITY,
    copiedBytes: Number.NEGATIVE_INFINITY,
    copiedForReplies: Number.NEGATIVE_INFINITY,
    triedPatterns: Number.NEGATIVE_INFINITY,
    searchTries: 0,
    judgedRights: Number.NEGATIVE_INFINITY,
    blocked: false,
    bufferedInput: 0,
    bufferedOutput: 0,
    aheadBytes: 0,
    channels: new Set(),
    patterns: new Set(),
    channelCount: 0,
    patternCount: 0,
    subscriptionBytes: 0,
    limitKept: () => true,
    unread: { waits: false },
    maySee: () => true,
    mayGet: () => true,
    block: () => nothing,
    postpone: () => nothing,
    putOff: nothing,
    answer: () => false,
    deliver: nothing,
    deliverShared: nothing,
    whenDrained: nothing,
    close: nothing,
    drop: nothing,
    disconnect: nothing,
    fail: nothing,
  }
}
