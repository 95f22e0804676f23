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
  /** Who is not: one that comes back while its last replay waits for it begins another. */
  readonly #replaying = new Map<Subscriber, Replay>()
  #watcher: Watcher | undefined

  constructor(store: Store, name: string, channel: TreeChannelName) {
    this.#store = store
    this.#channel = channel
    this.#head = encodeBulk('message') + encodeBulk(name)
  }

  get size(): number {
    return this.#live.size + this.#replaying.size
  }

  *subscribers(): Iterable<Subscriber> {
    yield* this.#live.keys()
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
    this.#live.delete(subscriber)
    if (this.#live.size > 0) return
    this.#watcher?.remove()
    this.#watcher = undefined
  }

  #goLive(subscriber: Subscriber, since: number): void {
    this.#live.set(subscriber, since)
    if (this.#watcher !== undefined) return
    const { path, recursive } = this.#channel
    this.#watcher = this.#store.watch(path, { recursive, stream: true }, (event) => {
      for (const [reader, from] of this.#live) if (event.index >= from) this.#send(reader, event)
    })
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
