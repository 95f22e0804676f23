import { performance } from 'node:perf_hooks'
import { pathOfKey } from '../keyspace/key.ts'
import type { Recorder } from '../log/recorder.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Store } from '../store/store.ts'
import { CommandError } from './arguments/errors.ts'
import { type Client, endTransaction, type FoundCommand, type ServerContext } from './client.ts'
import { ExpiryWait, MAX_SLICE_MS } from './expiry-wait.ts'
import { PUT_OFF } from './long-work.ts'
import type { Transaction } from './transaction.ts'

/** The most nodes that are expired between two readings of the clock. */
const MAX_NODES_PER_STEP = 64

/**
 * Expires nodes that are due, oldest first, for some milliseconds. The first step is one node, and the next is at most
 * twice as long, because the event of a node may be compared with thousands of patterns.
 */
export class ExpirySlice {
  readonly #store: Store
  readonly #recorder: Recorder
  readonly #end: number
  #nodes = 1

  /** @param time how long it may take, in milliseconds */
  constructor(store: Store, recorder: Recorder, time = MAX_SLICE_MS) {
    this.#store = store
    this.#recorder = recorder
    this.#end = performance.now() + time
  }

  /** Whether the time is up. */
  get isOver(): boolean {
    return performance.now() >= this.#end
  }

  /** Expires some nodes. @param now Unix milliseconds @returns whether more may be due */
  step(now: number): boolean {
    const nodes = this.#nodes
    const begin = performance.now()
    this.#recorder.begin()
    const expired = this.#store.deleteExpiredKeys(now, nodes)
    this.#recorder.endExpiry(expired, now)
    const end = performance.now()
    const timely = Math.floor(((this.#end - end) * nodes) / (end - begin))
    this.#nodes = Math.max(1, Math.min(MAX_NODES_PER_STEP, 2 * nodes, timely))
    return isDue(this.#store, now)
  }
}

/** Whether a node has expired that is still there. @param now Unix milliseconds */
function isDue(store: Store, now: number): boolean {
  const next = store.nextExpiry()
  return next !== undefined && next <= now
}

/**
 * Expires what is due before a command that would expire all below a directory in one go. If that takes longer than a
 * slice, the rest is expired in later turns, and the command runs then.
 *
 * Not in a transaction, because EXEC has done so before the first write; nor where a log says when nodes expire.
 *
 * @throws PutOff if more is due
 * @throws CommandError if nodes are made and become due so fast that it would wait for ever
 */
export function expireFirst(client: Client): void {
  if (!mayExpireFirst(client)) return
  const { store, clock, longWork, persistence } = client.server
  const now = clock.now()
  if (!isDue(store, now)) return
  longWork.check()
  client.expiryWait ??= new ExpiryWait(now)
  const wait = client.expiryWait
  wait.turn(!isDue(store, wait.until), now)
  const { recorder } = persistence
  const { isRunning } = recorder
  const begin = performance.now()
  const slice = new ExpirySlice(store, recorder, wait.time)
  let more = true
  while (more && !slice.isOver) more = slice.step(wait.until)
  // The command that is running begins after the expiry.
  if (isRunning) recorder.begin()
  longWork.note(performance.now() - begin)
  if (more || isDue(store, now)) throw PUT_OFF
  client.expiryWait = undefined
}

function mayExpireFirst({ executing, server }: Client): boolean {
  return !executing && !server.longWork.unlimited && server.group === undefined
}

/** {@link expireFirst}, for a command that reaches what is below a directory. @param path of a node */
export function expireBelow(client: Client, path: string): void {
  if (!mayExpireFirst(client)) return
  const { store } = client.server
  const node = store.lookup(path)
  // Of many it would take long to find out where they are.
  if (node?.dir === true && (store.hasManyDue() || store.dueNodes().isBelow(node)))
    expireFirst(client)
}

/**
 * {@link expireFirst}, for an EXEC that writes to a directory, or whose client watches keys while many are due. Nothing of it
 * has run.
 *
 * @throws PutOff if more is due
 * @throws CommandError EXECABORT
 */
export function expireBeforeExec(client: Client, transaction: Transaction): void {
  const { store, clock } = client.server
  if (!isDue(store, clock.now()) || !mustExpireBefore(client, transaction)) return
  try {
    expireFirst(client)
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    endTransaction(client)
    const reason = error.message.replace(/^ERR /, '')
    throw new CommandError(`EXECABORT Transaction discarded because of: ${reason}`)
  }
}

function mustExpireBefore({ server, watched }: Client, transaction: Transaction): boolean {
  // Whether something is due below a key that is watched would take long to find out.
  if (watched !== undefined && server.store.hasManyDue()) return true
  if (!transaction.writes) return false
  transaction.reachesDirectory ??= reachesDirectory(server, transaction)
  return transaction.reachesDirectory
}

function reachesDirectory(server: ServerContext, { requests }: Transaction): boolean {
  const find = (args: RequestArguments) => server.findCommand(args)
  for (const path of writtenPaths(requests, find)) {
    if (server.store.lookup(path)?.dir === true) return true
  }
  return false
}

/** The paths that the writes of a transaction name. */
export function* writtenPaths(
  requests: readonly RequestArguments[],
  find: (args: RequestArguments) => FoundCommand | undefined,
): Generator<string, undefined> {
  for (const args of requests) {
    const found = find(args)
    if (found?.writes !== true) continue
    for (const key of found.keysOf(args)) yield pathOfKey(key)
  }
}
