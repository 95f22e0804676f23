import { LargeMessage, type Message, messageOf } from '../resp/message.ts'
import { headOf, type PassingMessage } from '../resp/passing-message.ts'
import { StoreError } from '../store/errors.ts'
import type { Event } from '../store/event.ts'
import { encodeEvent } from '../store/event-json.ts'
import { isBelow } from '../store/path.ts'
import type { Store } from '../store/store.ts'
import type { Watcher } from '../store/watcher-hub.ts'
import { deliverTo, send } from './deliver.ts'
import { eventAsSeen } from './event-as-seen.ts'
import { GatheredMessages } from './gathered-messages.ts'
import { Replay, type Replays } from './replays.ts'
import type { ShownEvent } from './shown-event.ts'
import type { Subscriber } from './subscriber.ts'
import type { TreeChannelName } from './tree-channel.ts'

/** A replay pauses while its subscriber has this many bytes unread. */
const REPLAY_AHEAD = 1024 * 1024
/** Stands for the replays of a stream that has none. */
const NO_REPLAYS: ReadonlyMap<Subscriber, SubscriberReplay> = new Map()

/** The turn of the event loop, as a stream sees it: its requests are served before it sends. */
export interface Burst {
  /** The client whose requests are being served. */
  readonly served: Subscriber | undefined
  readonly shown: ShownEvent
  readonly replays: Replays
  /** Called when a stream has messages to {@link TreeStream.flush} at the end of the turn. */
  onGathered(stream: TreeStream): void
}

/** A subscriber's progress through the history. */
class SubscriberReplay extends Replay {
  readonly subscriber: Subscriber
  readonly #stream: TreeStream

  constructor(
    stream: TreeStream,
    subscriber: Subscriber,
    { path, recursive, since }: TreeChannelName,
  ) {
    super(path, recursive, since)
    this.#stream = stream
    this.subscriber = subscriber
  }

  override show(event: Event): void {
    this.#stream.showReplayed(this, event)
  }

  override end(): void {
    this.#stream.endReplay(this)
  }

  override fail(error: unknown): void {
    const { subscriber } = this
    this.#stream.forgetReplay(this)
    // A closed connection is better than a silent gap.
    if (!(error instanceof StoreError)) subscriber.fail(error)
    else subscriber.disconnect(`a watcher replays too slowly: ${error.message}`)
  }
}

/**
 * One tree channel and its subscribers, which share one watcher and one encoding of each message. A
 * subscriber with `since` first gets a replay of the history, at the pace at which it reads. When
 * nothing is left to replay it goes live in the same call, so no event falls between the two.
 */
export class TreeStream {
  readonly #store: Store
  readonly #channel: TreeChannelName
  readonly #name: string
  /** Live subscribers that get each event at once, with the first index to deliver. */
  readonly #live = new Map<Subscriber, number>()
  /**
   * Live subscribers without another subscription, who get the messages of a turn together. Made when there is one,
   * because a client may have a hundred thousand streams.
   */
  #together: GatheredMessages | undefined
  readonly #burst: Burst
  /**
   * Subscribers that are not live yet. One that leaves and comes back during its replay begins
   * another replay, and the former one ends. Made when there is one.
   */
  #replays: Map<Subscriber, SubscriberReplay> | undefined
  #watcher: Watcher | undefined

  constructor(store: Store, name: string, channel: TreeChannelName, burst: Burst) {
    this.#store = store
    this.#burst = burst
    this.#channel = channel
    this.#name = name
  }

  get size(): number {
    return this.#live.size + this.#togetherSize + this.#replaying.size
  }

  get #togetherSize(): number {
    return this.#together?.readers.size ?? 0
  }

  get #replaying(): ReadonlyMap<Subscriber, SubscriberReplay> {
    return this.#replays ?? NO_REPLAYS
  }

  *subscribers(): Iterable<Subscriber> {
    yield* this.#live.keys()
    if (this.#together !== undefined) yield* this.#together.readers
    yield* this.#replaying.keys()
  }

  add(subscriber: Subscriber): void {
    const { since } = this.#channel
    if (since === 0 || since > this.#store.index) {
      this.#goLive(subscriber, since)
      return
    }
    const replay = new SubscriberReplay(this, subscriber, this.#channel)
    this.#replays ??= new Map()
    this.#replays.set(subscriber, replay)
    // What is sent within a transaction waits for its end, however much it is.
    if (subscriber.executing) this.#burst.replays.join(replay)
    else this.#replay(replay)
  }

  remove(subscriber: Subscriber): void {
    const replay = this.#replaying.get(subscriber)
    if (replay !== undefined) this.forgetReplay(replay)
    this.#together?.readers.delete(subscriber)
    this.#live.delete(subscriber)
    this.#together?.joining.delete(subscriber)
    if (this.#live.size + this.#togetherSize > 0) return
    this.#watcher?.remove()
    this.#watcher = undefined
  }

  /**
   * Called when a subscriber gets another subscription, or its own request an event: from now on it gets
   * each event at once, in order with its other messages and its replies.
   */
  separate(subscriber: Subscriber): void {
    const together = this.#together
    if (together === undefined) return
    together.joining.delete(subscriber)
    if (!together.readers.delete(subscriber)) return
    this.#live.set(subscriber, 0)
    if (!together.isEmpty) together.sendTo(subscriber)
  }

  /**
   * Sends one subscriber the gathered messages, because its replies come after them. The others get theirs
   * at the end of the turn: thousands of watchers beside many that are served would cost their product.
   */
  catchUp(subscriber: Subscriber): void {
    const together = this.#together
    if (together === undefined || together.isEmpty || !together.readers.has(subscriber)) return
    this.separate(subscriber)
    // It may have been disconnected because it does not read.
    if (this.#live.has(subscriber)) together.joining.add(subscriber)
  }

  /** Sends the gathered messages. */
  flush(): void {
    const together = this.#together
    if (together === undefined || together.isEmpty) return
    together.send()
    for (const subscriber of together.joining) {
      this.#live.delete(subscriber)
      together.readers.add(subscriber)
    }
    together.joining.clear()
  }

  #goLive(subscriber: Subscriber, since: number): void {
    const alone = subscriber.channelCount + subscriber.patternCount === 1
    const soon = alone && since <= this.#store.index + 1
    if (soon) this.#together ??= new GatheredMessages(this.#name)
    const together = soon ? this.#together : undefined
    // The new subscriber must not get the gathered messages: it had them in its replay, or they are
    // older than its subscription.
    if (together?.isEmpty) together.readers.add(subscriber)
    else this.#live.set(subscriber, since)
    if (together?.isEmpty === false) together.joining.add(subscriber)
    if (this.#watcher !== undefined) return
    const { path, recursive } = this.#channel
    const onFailure = (error: unknown): void => this.#cutOff(error)
    const options = { recursive, stream: true, since, onFailure }
    this.#watcher = this.#store.watch(path, options, (event) => {
      const fromAbove = isBelow(path, event.node.key)
      if (fromAbove) this.#separateBlind(event)
      // Events of a client's own requests come in order with their replies.
      const { served } = this.#burst
      if (served !== undefined && served.channels.size === 1) this.separate(served)
      const bulk = this.#burst.shown.bulk(event)
      if (bulk === undefined) {
        this.#sendLarge(event)
        return
      }
      if (this.#live.size > 0) this.#sendLive(event, fromAbove)
      if (this.#togetherSize > 0) this.#gather(bulk)
    })
  }

  #sendLive(event: Event, fromAbove: boolean): void {
    const message = this.#messageOf(event)
    for (const [reader, from] of this.#live) {
      if (event.index < from) continue
      const seen = fromAbove ? eventAsSeen(reader, this.#channel.path, event) : event
      if (seen !== event) deliverTo([reader], this.#messageOfOther(seen))
      else if (message instanceof LargeMessage) deliverTo([reader], message)
      else send(reader, message)
    }
  }

  #sendLarge(event: Event): void {
    // The gathered messages are those of earlier events.
    this.flush()
    const readers = [...(this.#together?.readers ?? [])]
    for (const [reader, from] of this.#live) if (event.index >= from) readers.push(reader)
    deliverTo(readers, this.#messageOf(event))
  }

  /** Disconnects the live subscribers, because they have missed an event. */
  #cutOff(error: unknown): void {
    this.#watcher = undefined
    for (const readers of [this.#live.keys(), this.#together?.readers ?? []]) {
      for (const subscriber of readers) {
        subscriber.fail(error)
      }
    }
  }

  #gather(bulk: string): void {
    const together = this.#together as GatheredMessages
    if (together.isEmpty) this.#burst.onGathered(this)
    together.add(bulk)
    if (together.isFull) this.flush()
  }

  /** Sends a subscriber an event of the past. */
  showReplayed(replay: SubscriberReplay, event: Event): void {
    if (event.index < replay.nextIndex) return
    deliverTo([replay.subscriber], this.#messageFor(replay.subscriber, event))
    replay.nextIndex = event.index + 1
    if (this.#pauses(replay)) this.#burst.replays.leave(replay)
  }

  /** Called when a subscriber has been sent all events of the past. */
  endReplay(replay: SubscriberReplay): void {
    if (this.forgetReplay(replay)) this.#goLive(replay.subscriber, 0)
  }

  /** @returns whether the replay was going on */
  forgetReplay(replay: SubscriberReplay): boolean {
    if (this.#replaying.get(replay.subscriber) !== replay) return false
    this.#burst.replays.leave(replay)
    return this.#replays?.delete(replay.subscriber) === true
  }

  /** Whether a replay has to wait until its subscriber has read what it was sent; then it goes on by itself. */
  #pauses(replay: SubscriberReplay): boolean {
    const { subscriber } = replay
    if (subscriber.aheadBytes <= REPLAY_AHEAD) return false
    subscriber.whenDrained(() => this.#replay(replay))
    return true
  }

  #replay(replay: SubscriberReplay): void {
    const { subscriber } = replay
    const { replays } = this.#burst
    try {
      while (this.#replaying.get(subscriber) === replay && !this.#pauses(replay)) {
        const event = replays.find(replay)
        if (event === undefined) this.endReplay(replay)
        else if (event === null) {
          replays.join(replay)
          return
        } else {
          deliverTo([subscriber], this.#messageFor(subscriber, event))
          replay.nextIndex = event.index + 1
        }
      }
    } catch (error) {
      replay.fail(error)
    }
  }

  /** The message for one subscriber, which may not see the directory above that an event is about. */
  #messageFor(subscriber: Subscriber, event: Event): Message | PassingMessage | LargeMessage {
    const seen = eventAsSeen(subscriber, this.#channel.path, event)
    return seen === event ? this.#messageOf(event) : this.#messageOfOther(seen)
  }

  /** The message of an event that is not the one that is being shown. */
  #messageOfOther(seen: Event): Message | LargeMessage {
    return messageOf(3, this.#head(), encodeEvent(seen))
  }

  /** The beginning of each message. Not kept, because the name of a channel may be long. */
  #head(): string {
    return headOf(undefined, this.#name)
  }

  /** Subscribers that may not see the directory above that an event is about get another message. */
  #separateBlind(event: Event): void {
    for (const subscriber of this.#together?.readers ?? []) {
      if (!subscriber.maySee(event.node.key)) this.separate(subscriber)
    }
  }

  #messageOf(event: Event): PassingMessage | LargeMessage {
    return this.#burst.shown.messageOf(undefined, this.#name, event)
  }
}
