import { Message } from '../resp/message.ts'
import { encodeBulk } from '../resp/reply-encoding.ts'
import { StoreError } from '../store/errors.ts'
import type { Event } from '../store/event.ts'
import { eventToJson } from '../store/event-json.ts'
import type { Store } from '../store/store.ts'
import type { Watcher } from '../store/watcher-hub.ts'
import type { Subscriber } from './subscriber.ts'
import type { TreeChannelName } from './tree-channel.ts'

/** A replay pauses while its reader has so many bytes unread. */
const REPLAY_AHEAD = 1024 * 1024
/** What has been gathered is sent when it is so many bytes, before the burst ends. */
const GATHERED = 256 * 1024

let encodedEvent: Event | undefined
let encodedJson = ''

/** The event as a bulk string of JSON, encoded once for all who are about to get it. */
export function encodeEventMessage(event: Event): string {
  if (event !== encodedEvent) {
    encodedJson = encodeBulk(eventToJson(event))
    encodedEvent = event
  }
  return encodedJson
}

/** The requests that are served before anything is sent. */
export interface Burst {
  /** Whose requests are being served. */
  readonly served: Subscriber | undefined
  /** Called when a stream has something to {@link TreeStream.flush} at the end of the burst. */
  onGathered(stream: TreeStream): void
}

/** Somebody's way through the past. */
interface Replay {
  /** The first index not yet sent. */
  next: number
}

/**
 * One tree channel with all who are subscribed to it. They share one watcher and one encoding of
 * each message. Whoever asks for the past gets it at the pace at which it reads, and joins the
 * others when nothing is left to replay: both happen in one go, so no event comes in between.
 */
export class TreeStream {
  readonly #store: Store
  readonly #channel: TreeChannelName
  /** What each message begins with. */
  readonly #head: string
  /** The event that was last sent, and the message that tells of it. */
  #event: Event | undefined
  #message: Message | undefined
  /** Who is up to date, with the first index that it wants. */
  readonly #live = new Map<Subscriber, number>()
  /**
   * Who is up to date and listens to nothing else: what a burst of writes brings is gathered for all of
   * them, and sent from one Buffer at its end. Of ten thousand watchers each then costs one call a
   * burst, not a copy an event.
   */
  readonly #together = new Set<Subscriber>()
  #gathered: Message[] = []
  #gatheredBytes = 0
  readonly #burst: Burst
  /** Who is not: one that comes back while its last replay waits for it begins another. */
  readonly #replaying = new Map<Subscriber, Replay>()
  #watcher: Watcher | undefined

  constructor(store: Store, name: string, channel: TreeChannelName, burst: Burst) {
    this.#store = store
    this.#burst = burst
    this.#channel = channel
    this.#head = encodeBulk('message') + encodeBulk(name)
  }

  get size(): number {
    return this.#live.size + this.#together.size + this.#replaying.size
  }

  *subscribers(): Iterable<Subscriber> {
    yield* this.#live.keys()
    yield* this.#together
    yield* this.#replaying.keys()
  }

  add(subscriber: Subscriber): void {
    const { since } = this.#channel
    if (since === 0 || since > this.#store.index) {
      this.#goLive(subscriber, since)
      return
    }
    const replay = { next: since }
    this.#replaying.set(subscriber, replay)
    this.#replay(subscriber, replay)
  }

  remove(subscriber: Subscriber): void {
    this.#replaying.delete(subscriber)
    this.#together.delete(subscriber)
    this.#live.delete(subscriber)
    if (this.#live.size + this.#together.size > 0) return
    this.#watcher?.remove()
    this.#watcher = undefined
  }

  /**
   * To be called when a subscriber comes to listen to something else, too: from now on it gets each
   * event at once, in its place among what else it gets.
   */
  separate(subscriber: Subscriber): void {
    if (!this.#together.has(subscriber)) return
    this.flush()
    this.#together.delete(subscriber)
    this.#live.set(subscriber, 0)
  }

  /** Sends what has been gathered. */
  flush(): void {
    const messages = this.#gathered
    if (messages.length === 0) return
    this.#gathered = []
    this.#gatheredBytes = 0
    const encoded: { 2?: Buffer; 3?: Buffer } = {}
    for (const subscriber of this.#together) {
      const { protocol } = subscriber.reply
      encoded[protocol] ??= joined(messages, protocol)
      subscriber.deliverShared(encoded[protocol])
    }
  }

  #goLive(subscriber: Subscriber, since: number): void {
    // What has been gathered it has got by its replay, or it is older than its subscription.
    this.flush()
    const alone = subscriber.channelCount + subscriber.patternCount === 1
    if (alone && since <= this.#store.index + 1) this.#together.add(subscriber)
    else this.#live.set(subscriber, since)
    if (this.#watcher !== undefined) return
    const { path, recursive } = this.#channel
    this.#watcher = this.#store.watch(path, { recursive, stream: true }, (event) => {
      // What its own requests bring comes among their replies.
      if (this.#burst.served !== undefined) this.separate(this.#burst.served)
      for (const [reader, from] of this.#live) if (event.index >= from) this.#send(reader, event)
      if (this.#together.size > 0) this.#gather(this.#messageOf(event))
    })
  }

  #gather(message: Message): void {
    if (this.#gathered.push(message) === 1) this.#burst.onGathered(this)
    this.#gatheredBytes += message.length
    if (this.#gatheredBytes >= GATHERED) this.flush()
  }

  #replay(subscriber: Subscriber, replay: Replay): void {
    const { path, recursive } = this.#channel
    try {
      while (this.#replaying.get(subscriber) === replay) {
        if (subscriber.bufferedOutput > REPLAY_AHEAD) {
          subscriber.whenDrained(() => this.#replay(subscriber, replay))
          return
        }
        const event = this.#store.findEvent(path, recursive, replay.next)
        if (event === undefined) {
          this.#replaying.delete(subscriber)
          this.#goLive(subscriber, 0)
          return
        }
        this.#send(subscriber, event)
        replay.next = event.index + 1
      }
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      // It fell behind the history while replaying: better no connection than a silent gap.
      subscriber.disconnect(`a watcher replays too slowly: ${error.message}`)
    }
  }

  #send(subscriber: Subscriber, event: Event): void {
    subscriber.deliver(this.#messageOf(event).encoded(subscriber.reply.protocol))
  }

  #messageOf(event: Event): Message {
    if (this.#message !== undefined && this.#event === event) return this.#message
    this.#event = event
    this.#message = new Message(3, this.#head + encodeEventMessage(event))
    return this.#message
  }
}

function joined(messages: readonly Message[], protocol: 2 | 3): Buffer {
  if (messages.length === 1) return messages[0].encoded(protocol)
  return Buffer.concat(messages.map((message) => message.encoded(protocol)))
}
