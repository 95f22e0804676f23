import { checkChannel, checkPattern } from '../request/arguments/pattern.ts'
import { messageOf } from '../resp/message.ts'
import { encodeBulk } from '../resp/reply-encoding.ts'
import type { Event } from '../store/event.ts'
import { ownCopy } from '../store/path.ts'
import type { Store } from '../store/store.ts'
import type { Value } from '../store/value.ts'
import { ChannelPatterns } from './channel-patterns.ts'
import type { CommonPatterns } from './common-patterns.ts'
import { deliverTo } from './deliver.ts'
import { PatternBacklog } from './pattern-backlog.ts'
import type { IndexedPattern } from './pattern-group.ts'
import type { PatternWork } from './pattern-work.ts'
import { Replays } from './replays.ts'
import { ShownEvent } from './shown-event.ts'
import type { Subscriber } from './subscriber.ts'
import { isTreeChannel, parseTreeChannel, type TreeChannelName } from './tree-channel.ts'
import { MAX_LITERAL_BYTES, TreePatterns } from './tree-patterns.ts'
import { type Burst, TreeStream } from './tree-stream.ts'

/** The client's limit is checked after every run of this many names in a request. */
const NAMES_PER_CHECK = 256
/** Memory that a subscription takes besides its name, about, in bytes. */
const SUBSCRIPTION_BYTES = 350
/** Memory that a subscription to a tree channel takes besides its name; it has a watcher. */
const TREE_SUBSCRIPTION_BYTES = 900
/** Memory that a subscription to a tree pattern takes besides names; it may have a place of its own. */
const TREE_PATTERN_BYTES = 900

/** The subscriptions of all clients: to channels and patterns of Redis, and of the tree. */
export class Subscriptions implements Burst {
  readonly #store: Store
  readonly #channels = new Map<string, Set<Subscriber>>()
  readonly #streams = new Map<string, TreeStream>()
  /** Weak, because the replies that list the channels keep it; absent when a channel has come or gone. */
  #list: WeakRef<readonly string[]> | undefined
  readonly #patterns = new ChannelPatterns()
  readonly #treePatterns = new TreePatterns()
  #endTreePatterns: (() => void) | undefined
  /** The client whose requests are being served. */
  served: Subscriber | undefined
  readonly shown: ShownEvent
  readonly backlog = new PatternBacklog({
    onLate: () => this.#dropMostPatterns(false),
    onFull: () => this.#dropMostPatterns(true),
  })
  readonly replays: Replays
  /** The streams with messages to send at the end of the turn. */
  readonly #gathered = new Set<TreeStream>()
  readonly #onGathered: () => void

  /** @param onGathered called when there is something to {@link flush} at the end of the turn */
  constructor(store: Store, onGathered: () => void) {
    this.#store = store
    this.shown = new ShownEvent(onGathered)
    this.replays = new Replays(store)
    this.#onGathered = onGathered
  }

  /** How many channels and tree channels have subscribers. */
  get channelCount(): number {
    return this.#channels.size + this.#streams.size
  }

  get patternCount(): number {
    return this.#patterns.size + this.#treePatterns.size
  }

  /**
   * With how many patterns an event at a path, or at one below it, is compared at most; undefined if there are none.
   *
   * @param nodes how many have an event; absent for any number
   */
  patternWorkAround(path: string, nodes?: number): PatternWork | undefined {
    return this.#treePatterns.size === 0 ? undefined : this.#treePatterns.workAround(path, nodes)
  }

  /** With how many patterns a message to a channel of Redis is compared at most; undefined if there are none. */
  channelWorkAt(channel: string): PatternWork | undefined {
    return this.#patterns.size === 0 ? undefined : this.#patterns.workAt(channel)
  }

  /**
   * Subscribes a client to channels, tree channels included, and confirms each.
   *
   * @throws CommandError for a bad tree channel, or a channel that is too long; then no channel is
   * subscribed
   * @throws PathError for a path that is too long or too deep; likewise
   * @throws StoreError EVENTINDEXCLEARED if the history has dropped an event that `since` asks for;
   * likewise
   */
  subscribe(client: Subscriber, channels: readonly string[]): void {
    const names = channels.map(ownCopy)
    const parsed = names.map((name) => this.#check(name))
    for (const [i, channel] of names.entries()) {
      if (i % NAMES_PER_CHECK === 0 && !client.limitKept()) return
      const fresh = !client.channels.has(channel)
      if (fresh) {
        this.#separate(client)
        client.channels.add(channel)
        client.subscriptionBytes += channelBytes(channel)
      }
      confirm(client, 'subscribe', channel)
      if (!fresh) continue
      this.#list = undefined
      const tree = parsed[i]
      if (tree === undefined) this.backlog.join(listenTo(this.#channels, channel, client), client)
      else this.#streamOf(channel, tree).add(client)
    }
    client.limitKept()
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

  /** Bounds the patterns that are compared with most keys. */
  get commonPatterns(): CommonPatterns {
    return this.#treePatterns.common
  }

  /**
   * Subscribes a client to patterns, and confirms each.
   *
   * @throws CommandError for a pattern that is too long, or too many common ones; then no pattern is subscribed
   */
  patternSubscribe(client: Subscriber, patterns: readonly string[]): void {
    for (const pattern of patterns) checkPattern(pattern)
    this.#separate(client)
    const added: string[] = []
    try {
      for (const [i, given] of patterns.entries()) {
        if (i % NAMES_PER_CHECK === 0 && !client.limitKept()) break
        const pattern = ownCopy(given)
        if (!client.patterns.has(pattern)) {
          const patterns = isTreeChannel(pattern) ? this.#treePatterns : this.#patterns
          this.backlog.join(patterns.add(pattern, client), client)
          client.patterns.add(pattern)
          client.subscriptionBytes += patternBytes(pattern)
          added.push(pattern)
        }
        confirm(client, 'psubscribe', pattern)
      }
    } catch (error) {
      for (const pattern of added) this.#leavePattern(client, pattern)
      throw error
    }
    if (this.#treePatterns.size > 0 && this.#endTreePatterns === undefined) {
      const onFailure = (error: unknown): void => {
        this.#endTreePatterns = undefined
        for (const listeners of this.#treePatterns.listeners()) cutOff(listeners, error)
      }
      this.#endTreePatterns = this.#store.hub.addEverywhere((event) => {
        if (this.backlog.active) this.backlog.add(() => this.#matchLater(event))
        else this.#matchEvent(event)
      }, onFailure)
    }
    client.limitKept()
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

  /** Sends the messages that the streams have gathered, and forgets the last event. */
  flush(): void {
    this.shown.forget()
    for (const stream of this.#gathered) stream.flush()
    this.#gathered.clear()
  }

  /** Sends one client the messages that are gathered for it; others get theirs by {@link flush}. */
  flushFor(client: Subscriber): void {
    // With more than one subscription a client gets its messages at once.
    if (this.#gathered.size === 0 || client.channelCount + client.patternCount !== 1) return
    for (const channel of client.channels) this.#streams.get(channel)?.catchUp(client)
  }

  /** Closes the connections that watch the tree, because KRECOVER sets the index back. */
  closeWatchers(): void {
    this.replays.forget()
    const watchers = new Set<Subscriber>()
    for (const stream of this.#streams.values()) {
      for (const client of stream.subscribers()) watchers.add(client)
    }
    for (const listeners of this.#treePatterns.listeners()) {
      for (const client of listeners) watchers.add(client)
    }
    for (const client of watchers) client.close()
  }

  /**
   * Sends a message to a channel of Redis. Does not throw: clients for whom the message is too long to
   * be made are disconnected, because they miss it.
   *
   * @param path the node that the message is about; only clients that may read it get the message
   * @returns the number of deliveries
   */
  publish(channel: string, message: Value, path?: string): number {
    const bulkChannel = encodeBulk(channel)
    const subscribers = this.#channels.get(channel)
    let count = 0
    if (subscribers !== undefined) {
      tell(
        readersOf(this.backlog.told(subscribers), path),
        3,
        encodeBulk('message') + bulkChannel,
        message,
      )
      count += subscribers.size
    }
    if (this.#patterns.size === 0) return count
    for (const { pattern, listeners } of this.#matching(this.#patterns, channel)) {
      const head = encodeBulk('pmessage') + encodeBulk(pattern) + bulkChannel
      tell(readersOf(this.backlog.told(listeners), path), 4, head, message)
      count += listeners.size
    }
    return count
  }

  /** Like {@link Subscriptions.publish}, of what has happened to a key; later, if many keys are compared with patterns. */
  notify(channel: string, message: string, path: string): void {
    if (this.backlog.active && (this.#patterns.size > 0 || !this.backlog.isEmpty)) {
      this.backlog.add(() => void this.publish(channel, message, path))
    } else this.publish(channel, message, path)
  }

  /** All channels with subscribers, tree channels included: the same list until one comes or goes. */
  get channels(): readonly string[] {
    const known = this.#list?.deref()
    if (known !== undefined) return known
    const list = [...this.#channels.keys(), ...this.#streams.keys()]
    this.#list = new WeakRef(list)
    return list
  }

  /** Whether {@link channels} is there already. */
  get hasList(): boolean {
    return this.#list?.deref() !== undefined
  }

  /** The number of clients that are subscribed to a channel or tree channel. */
  subscribers(channel: string): number {
    return this.#channels.get(channel)?.size ?? this.#streams.get(channel)?.size ?? 0
  }

  /** The parsed name of a tree channel; undefined for a channel of Redis. */
  #check(channel: string): TreeChannelName | undefined {
    if (!isTreeChannel(channel)) {
      checkChannel(channel)
      return undefined
    }
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

  /**
   * Separates a client from its stream, because it is about to get another subscription. With more
   * than one it is separate already.
   */
  #separate(client: Subscriber): void {
    if (client.channelCount + client.patternCount !== 1) return
    for (const channel of client.channels) this.#streams.get(channel)?.separate(client)
  }

  #leaveChannel(client: Subscriber, channel: string): void {
    if (!client.channels.delete(channel)) return
    client.subscriptionBytes -= channelBytes(channel)
    this.#list = undefined
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
    client.subscriptionBytes -= patternBytes(pattern)
    if (isTreeChannel(pattern)) this.#treePatterns.remove(pattern, client)
    else this.#patterns.remove(pattern, client)
    if (this.#treePatterns.size > 0) return
    this.#endTreePatterns?.()
    this.#endTreePatterns = undefined
  }

  /** Disconnects who has the most patterns. @param toHalf and others, until half of all patterns are gone */
  #dropMostPatterns(toHalf: boolean): void {
    const half = this.patternCount / 2
    const clients = new Set<Subscriber>()
    for (const set of [this.#treePatterns, this.#patterns]) {
      for (const listeners of set.listeners()) for (const client of listeners) clients.add(client)
    }
    const most = [...clients].sort((a, b) => b.patternCount - a.patternCount)
    for (const client of most) {
      const names = [...client.patterns]
      for (const pattern of names) this.#leavePattern(client, pattern)
      client.disconnect(`its ${names.length} patterns take too long to be compared with keys`)
      if (!toHalf || this.patternCount <= half) return
    }
  }

  /** The patterns that match a key or a channel. The backlog counts the time. */
  #matching(patterns: TreePatterns | ChannelPatterns, name: string): readonly IndexedPattern[] {
    if (!this.backlog.active) return patterns.matching(name)
    const begun = performance.now()
    const matching = patterns.matching(name)
    this.backlog.note(performance.now() - begun)
    return matching
  }

  /** Does not throw: who misses the event is disconnected. */
  #matchLater(event: Event): void {
    try {
      this.#matchEvent(event)
    } catch (error) {
      for (const listeners of this.#treePatterns.listeners()) cutOff(listeners, error)
    }
  }

  #matchEvent(event: Event): void {
    const { key } = event.node
    for (const { pattern, listeners } of this.#matching(this.#treePatterns, key)) {
      const told = this.backlog.told(listeners)
      try {
        deliverTo(told, this.shown.messageOf(pattern, key, event))
      } catch (error) {
        cutOff(told, error)
      }
    }
  }
}

/** @returns all who listen to it */
function listenTo(
  map: Map<string, Set<Subscriber>>,
  name: string,
  client: Subscriber,
): ReadonlySet<Subscriber> {
  const listeners = map.get(name) ?? new Set()
  map.set(name, listeners.add(client))
  return listeners
}

function leave(map: Map<string, Set<Subscriber>>, name: string, client: Subscriber): void {
  const listeners = map.get(name)
  if (listeners?.delete(client) && listeners.size === 0) map.delete(name)
}

/** @param path of the node that a message is about; only clients that may read it get the message */
function readersOf(
  listeners: Iterable<Subscriber>,
  path: string | undefined,
): Iterable<Subscriber> {
  return path === undefined ? listeners : [...listeners].filter((client) => client.maySee(path))
}

/**
 * Sends clients a message, or disconnects them if it cannot be made.
 *
 * @param items count of its parts, the last of which is the message itself
 * @param head the parts before that, encoded
 */
function tell(
  readers: Iterable<Subscriber>,
  items: number,
  head: string,
  message: Parameters<typeof messageOf>[2],
): void {
  try {
    deliverTo(readers, messageOf(items, head, message))
  } catch (error) {
    cutOff(readers, error)
  }
}

/** Disconnects clients that miss a message, because it could not be made. */
function cutOff(listeners: Iterable<Subscriber>, error: unknown): void {
  for (const client of listeners) client.disconnect(`a message to it could not be made: ${error}`)
}

function channelBytes(channel: string): number {
  // The name is kept by the client, and the path in it by the watcher.
  return isTreeChannel(channel)
    ? TREE_SUBSCRIPTION_BYTES + channel.length
    : SUBSCRIPTION_BYTES + channel.length
}

function patternBytes(pattern: string): number {
  if (!isTreeChannel(pattern)) return SUBSCRIPTION_BYTES + pattern.length
  // The path that it is kept at, and one where that parts from another.
  return TREE_PATTERN_BYTES + pattern.length + 2 * Math.min(pattern.length, MAX_LITERAL_BYTES)
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
