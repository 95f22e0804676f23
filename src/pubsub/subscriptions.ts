import { messageOf } from '../resp/message.ts'
import { encodeBulk } from '../resp/reply-encoding.ts'
import type { Event } from '../store/event.ts'
import type { Store } from '../store/store.ts'
import type { Value } from '../store/value.ts'
import { matchGlob } from '../text/glob.ts'
import { deliverTo } from './deliver.ts'
import type { Subscriber } from './subscriber.ts'
import { isTreeChannel, parseTreeChannel, type TreeChannelName } from './tree-channel.ts'
import { type Burst, encodeOnce, TreeStream } from './tree-stream.ts'

/** The subscriptions of all clients: to channels and patterns of Redis, and of the tree. */
export class Subscriptions implements Burst {
  readonly #store: Store
  readonly #channels = new Map<string, Set<Subscriber>>()
  readonly #streams = new Map<string, TreeStream>()
  readonly #patterns = new Map<string, Set<Subscriber>>()
  /** Patterns that begin with a slash, which match the keys of events. */
  readonly #treePatterns = new Map<string, Set<Subscriber>>()
  #endTreePatterns: (() => void) | undefined
  /** The client whose requests are being served. */
  served: Subscriber | undefined
  /** The streams with messages to send at the end of the turn. */
  readonly #gathered = new Set<TreeStream>()
  readonly #onGathered: () => void

  /** @param onGathered called when there are messages to {@link flush} at the end of the turn */
  constructor(store: Store, onGathered: () => void) {
    this.#store = store
    this.#onGathered = onGathered
  }

  get patternCount(): number {
    return this.#patterns.size + this.#treePatterns.size
  }

  /**
   * Subscribes a client to channels, tree channels included, and confirms each.
   *
   * @throws CommandError for a bad tree channel; then no channel is subscribed
   * @throws PathError for a path that is too long or too deep; likewise
   * @throws StoreError EVENTINDEXCLEARED if the history has dropped an event that `since` asks for;
   * likewise
   */
  subscribe(client: Subscriber, channels: readonly string[]): void {
    const parsed = channels.map((channel) => this.#check(channel))
    for (const [i, channel] of channels.entries()) {
      const fresh = !client.channels.has(channel)
      if (fresh) this.#separate(client)
      client.channels.add(channel)
      confirm(client, 'subscribe', channel)
      if (!fresh) continue
      const tree = parsed[i]
      if (tree === undefined) listenersOf(this.#channels, channel).add(client)
      else this.#streamOf(channel, tree).add(client)
    }
  }

  /** Ends subscriptions, all if no channel is named, and confirms each. */
  unsubscribe(client: Subscriber, channels: readonly string[]): void {
    const all = channels.length === 0 ? [...client.channels] : channels
    for (const channel of all) {
      this.#leaveChannel(client, channel)
      confirm(client, 'unsubscribe', channel)
    }
    if (all.length === 0) confirm(client, 'unsubscribe', null)
  }

  /** Subscribes a client to patterns, and confirms each. */
  patternSubscribe(client: Subscriber, patterns: readonly string[]): void {
    this.#separate(client)
    for (const pattern of patterns) {
      client.patterns.add(pattern)
      listenersOf(this.#patternsLike(pattern), pattern).add(client)
      confirm(client, 'psubscribe', pattern)
    }
    if (this.#treePatterns.size > 0 && this.#endTreePatterns === undefined) {
      this.#endTreePatterns = this.#store.hub.addEverywhere((event) => this.#matchEvent(event))
    }
  }

  /** Ends subscriptions to patterns, all if none is named, and confirms each. */
  patternUnsubscribe(client: Subscriber, patterns: readonly string[]): void {
    const all = patterns.length === 0 ? [...client.patterns] : patterns
    for (const pattern of all) {
      this.#leavePattern(client, pattern)
      confirm(client, 'punsubscribe', pattern)
    }
    if (all.length === 0) confirm(client, 'punsubscribe', null)
  }

  /** Ends all subscriptions of a client without a confirmation. */
  drop(client: Subscriber): void {
    for (const channel of client.channels) this.#leaveChannel(client, channel)
    for (const pattern of client.patterns) this.#leavePattern(client, pattern)
  }

  /** Called when a stream has messages to send at the end of the turn. */
  onGathered(stream: TreeStream): void {
    this.#gathered.add(stream)
    this.#onGathered()
  }

  /** Sends the messages that the streams have gathered. */
  flush(): void {
    for (const stream of this.#gathered) stream.flush()
    this.#gathered.clear()
  }

  /** Closes the connections that watch the tree, because KRECOVER sets the index back. */
  closeWatchers(): void {
    const watchers = new Set<Subscriber>()
    for (const stream of this.#streams.values()) {
      for (const client of stream.subscribers()) watchers.add(client)
    }
    for (const listeners of this.#treePatterns.values()) {
      for (const client of listeners) watchers.add(client)
    }
    for (const client of watchers) client.close()
  }

  /** Sends a message to a channel of Redis. @returns the number of deliveries */
  publish(channel: string, message: Value): number {
    const bulkChannel = encodeBulk(channel)
    const subscribers = this.#channels.get(channel)
    let count = 0
    if (subscribers !== undefined) {
      deliverTo(subscribers, messageOf(3, encodeBulk('message') + bulkChannel, message))
      count += subscribers.size
    }
    for (const [pattern, listeners] of this.#patterns) {
      if (!matchGlob(pattern, channel)) continue
      const head = encodeBulk('pmessage') + encodeBulk(pattern) + bulkChannel
      deliverTo(listeners, messageOf(4, head, message))
      count += listeners.size
    }
    return count
  }

  /** All channels with subscribers, tree channels included. */
  *channels(): Iterable<string> {
    yield* this.#channels.keys()
    yield* this.#streams.keys()
  }

  /** The number of clients that are subscribed to a channel or tree channel. */
  subscribers(channel: string): number {
    return this.#channels.get(channel)?.size ?? this.#streams.get(channel)?.size ?? 0
  }

  /** The parsed name of a tree channel; undefined for a channel of Redis. */
  #check(channel: string): TreeChannelName | undefined {
    if (!isTreeChannel(channel)) return undefined
    const tree = parseTreeChannel(channel)
    if (tree.since !== 0 && tree.since <= this.#store.index) {
      const { history, index } = this.#store
      history.assertKept(tree.path, tree.recursive, tree.since, index)
    }
    return tree
  }

  #streamOf(channel: string, tree: TreeChannelName): TreeStream {
    let stream = this.#streams.get(channel)
    if (stream === undefined) {
      stream = new TreeStream(this.#store, channel, tree, this)
      this.#streams.set(channel, stream)
    }
    return stream
  }

  /** Separates a client from its streams, because it is about to get another subscription. */
  #separate(client: Subscriber): void {
    for (const channel of client.channels) this.#streams.get(channel)?.separate(client)
  }

  #leaveChannel(client: Subscriber, channel: string): void {
    if (!client.channels.delete(channel)) return
    const stream = this.#streams.get(channel)
    if (stream === undefined) {
      leave(this.#channels, channel, client)
      return
    }
    stream.remove(client)
    if (stream.size === 0) this.#streams.delete(channel)
  }

  #leavePattern(client: Subscriber, pattern: string): void {
    if (!client.patterns.delete(pattern)) return
    leave(this.#patternsLike(pattern), pattern, client)
    if (this.#treePatterns.size > 0) return
    this.#endTreePatterns?.()
    this.#endTreePatterns = undefined
  }

  #patternsLike(pattern: string): Map<string, Set<Subscriber>> {
    return isTreeChannel(pattern) ? this.#treePatterns : this.#patterns
  }

  #matchEvent(event: Event): void {
    const { key } = event.node
    for (const [pattern, listeners] of this.#treePatterns) {
      if (!matchGlob(pattern, key)) continue
      const head = encodeBulk('pmessage') + encodeBulk(pattern) + encodeBulk(key)
      deliverTo(listeners, messageOf(4, head, encodeOnce(event)))
    }
  }
}

function listenersOf(map: Map<string, Set<Subscriber>>, name: string): Set<Subscriber> {
  let listeners = map.get(name)
  if (listeners === undefined) {
    listeners = new Set()
    map.set(name, listeners)
  }
  return listeners
}

function leave(map: Map<string, Set<Subscriber>>, name: string, client: Subscriber): void {
  const listeners = map.get(name)
  if (listeners?.delete(client) && listeners.size === 0) map.delete(name)
}

function confirm(client: Subscriber, kind: string, name: string | null): void {
  const { reply } = client
  // CLIENT REPLY does not mute a confirmation, because it is a push and no reply (Redis).
  const { muted } = reply
  reply.muted = false
  reply.push(3)
  reply.bulk(kind)
  reply.bulkOrNull(name)
  reply.integer(client.channelCount + client.patternCount)
  reply.muted = muted
}
