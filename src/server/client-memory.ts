import { totalmem } from 'node:os'
import type { Config } from '../config/config.ts'
import { oldSpaceLimit } from '../metrics/heap-limit.ts'
import { looseValues, NEVER } from '../store/loose-values.ts'

/** Each client may leave this many bytes of replies unread, whatever others do. */
export const MIN_UNREAD_BYTES = 1024 * 1024
/** The share of the process's memory that all clients together may keep. */
const CLIENTS_SHARE = 1 / 2
/** Requests of a client are served while its unread replies are below this share of the limit. */
const CLIENT_SHARE = 1 / 4
/** Nobody has more than `MIN_UNREAD_BYTES` served while all unread replies are above this share. */
const ALL_SHARE = 1 / 2

/** After so much input that waits, all clients are looked at: short arguments take five times as much. */
const WAITING_SHARE = 1 / 16

/** All clients together may keep this share of the usual limit in a heap that is almost full. */
const FULL_HEAP_SHARE = 1 / 8
/** And no more than this share of what is left of it, */
const LEFT_SHARE = 1 / 2
/** but so many bytes in any case. */
const MIN_KEPT_BYTES = 1024 * 1024
/** All clients are looked at after input of this share of what is left of the heap. */
const WAITING_LEFT_SHARE = 1 / 32
/** Less input than this of one client is not noted as it comes: it lies outside of the heap, unparsed. */
export const MIN_WAITING_BYTES = 32 * 1024

/** Replies that are not read, as far as they refer to values of the tree. */
export interface ReferringReplies {
  /** When the oldest of them was made, on the scale of {@link looseValues}; {@link NEVER} if there are none. */
  readonly refersSince: number
  /**
   * How many bytes they may keep alive of values that the tree has no more.
   *
   * @param inHeap only those that lie in V8's heap
   */
  looseBytes(inHeap: boolean): number
}

/**
 * A client that makes the server keep replies that it has not read, requests not yet served, those that MULTI has
 * queued, and the names that it watches or listens to.
 */
export interface KeepingClient {
  /** Bytes in use for this client alone. */
  readonly keptBytes: number
  /** How much of that lies in V8's heap, about. */
  readonly heapBytes: number
  /** What its unread replies refer to is in neither. */
  readonly replies: ReferringReplies
  /** CLIENT NO-EVICT. */
  readonly noEvict: boolean
  disconnect(reason: string): void
}

/**
 * Bounds the memory that clients make the server keep, for those that do not read their replies. Like
 * Redis, the server serves a pipeline to its end before its client has read a reply. But above a
 * limit requests wait, as bytes, until the client has read; and if all clients together keep too
 * much, the one that keeps the most is disconnected.
 */
export class ClientMemory {
  readonly #config: Config
  readonly #limit: number
  #unread = 0
  /** Bytes that clients have sent, and that wait, since all were last looked at. */
  #waiting = 0
  /** After so many all are looked at again. */
  #mostWaiting: number

  /** @param limit the most bytes that all clients together may keep */
  constructor(config: Config, limit = processMemory() * CLIENTS_SHARE) {
    this.#config = config
    this.#limit = limit
    this.#mostWaiting = limit * WAITING_SHARE
  }

  /** Notes by how many bytes a client's unread replies have grown. */
  noteUnread(bytes: number): void {
    this.#unread += bytes
  }

  /**
   * Notes input of a client that keeps much input already.
   *
   * @returns whether it is time to {@link evict}, because a second may be too long to wait
   */
  noteWaiting(bytes: number): boolean {
    this.#waiting += bytes
    return this.#waiting > this.#mostWaiting
  }

  /** Whether requests of a client may be served. @param unread bytes of its unread replies */
  admits(unread: number): boolean {
    if (unread <= MIN_UNREAD_BYTES) return true
    const maxmemory = this.#config.get('maxmemory')
    const limit = maxmemory > 0 ? Math.min(maxmemory, this.#limit) : this.#limit
    return unread <= limit * CLIENT_SHARE && this.#unread <= limit * ALL_SHARE
  }

  /**
   * Disconnects the clients that keep the most until all together keep less than the limit. Those with CLIENT
   * NO-EVICT are spared, unless the heap is almost full and disconnecting the others does not suffice: the
   * server would end, and they with it.
   *
   * @param isHeapFull whether the heap is almost full: then what clients keep there is limited by itself
   * @param heapLeft bytes that are left of the heap, garbage included
   * @returns how many were disconnected
   */
  evict(
    clients: Iterable<KeepingClient>,
    isHeapFull = false,
    heapLeft = Number.POSITIVE_INFINITY,
  ): number {
    this.#waiting = 0
    this.#mostWaiting = Math.min(this.#limit * WAITING_SHARE, heapLeft * WAITING_LEFT_SHARE)
    const all = [...clients]
    const inAll = { limit: this.#limit, sparing: true, inHeap: false }
    const evicted = evictAbove(all, inAll)
    if (!isHeapFull) return evicted
    const most = Math.min(this.#limit * FULL_HEAP_SHARE, heapLeft * LEFT_SHARE)
    const limit = Math.max(MIN_KEPT_BYTES, Math.round(most))
    return evicted + evictAbove(all, { limit, sparing: false, inHeap: true })
  }
}

/** How clients are disconnected. */
interface Eviction {
  /** They may keep so many bytes together. */
  readonly limit: number
  /** Whether those with CLIENT NO-EVICT stay; if not, they are the last to go. */
  readonly sparing: boolean
  /** Whether only what lies in V8's heap counts. */
  readonly inHeap: boolean
}

/** Disconnects clients until all together keep less than a limit. @returns how many were disconnected */
function evictAbove(
  clients: readonly KeepingClient[],
  { limit, sparing, inHeap }: Eviction,
): number {
  let own = 0
  let refersSince = NEVER
  for (const client of clients) {
    own += inHeap ? client.heapBytes : client.keptBytes
    refersSince = Math.min(refersSince, client.replies.refersSince)
  }
  // All replies together keep no more alive than this. Mostly that is enough to know.
  const mostLoose = looseValues.since(refersSince)
  if (own + mostLoose <= limit) return 0
  let loose = 0
  const keeping: [client: KeepingClient, bytes: number][] = []
  for (const client of clients) {
    const looseBytes = client.replies.looseBytes(inHeap)
    const bytes = looseBytes + (inHeap ? client.heapBytes : client.keptBytes)
    loose += looseBytes
    if (bytes > 0 && !(sparing && client.noEvict)) keeping.push([client, bytes])
  }
  let total = own + Math.min(loose, mostLoose)
  if (total <= limit) return 0
  keeping.sort(([one, a], [other, b]) => Number(one.noEvict) - Number(other.noEvict) || b - a)
  let evicted = 0
  for (const [client, bytes] of keeping) {
    if (total <= limit) break
    client.disconnect(
      `all clients together keep ${total} bytes of unread replies, and of requests that wait or are queued, more than ${limit}, and it keeps the most: ${bytes}`,
    )
    total -= bytes
    evicted++
  }
  return evicted
}

/** The memory that this process may take, in bytes: the heap's limit, or less. */
export function processMemory(): number {
  const constrained = process.constrainedMemory() || Number.POSITIVE_INFINITY
  return Math.min(oldSpaceLimit(), totalmem(), constrained)
}
