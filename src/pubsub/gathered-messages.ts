import { headOf } from '../resp/passing-message.ts'
import { encodeArrayHeader, encodePushHeader } from '../resp/reply-encoding.ts'
import { sendShared } from './deliver.ts'
import type { Subscriber } from './subscriber.ts'

/** A message has so many bytes besides the name of its channel and the event. */
const HEAD_BYTES = 24
/** Gathered messages of this size are sent before the turn ends. */
const MAX_BYTES = 256 * 1024

/**
 * The messages of a turn for the subscribers of a tree channel that have no other subscription. They are gathered for
 * all of them, and sent from one Buffer at the end of the turn: each of ten thousand watchers then costs one call per
 * turn rather than one copy per event.
 */
export class GatheredMessages {
  readonly #channel: string
  /** Those who get the messages. */
  readonly readers = new Set<Subscriber>()
  /**
   * Those who have the messages already, or must not get them: they become {@link readers} when these have been sent,
   * and get each event at once until then.
   */
  readonly joining = new Set<Subscriber>()
  /** The last element of each message: the channels share these, and the rest is always the same. */
  #bulks: string[] = []
  #bytes = 0
  /** The messages in one piece, by protocol, once somebody has needed it. */
  #joined: { 2?: Buffer; 3?: Buffer } = {}

  /** @param channel the name of the tree channel */
  constructor(channel: string) {
    this.#channel = channel
  }

  get isEmpty(): boolean {
    return this.#bulks.length === 0
  }

  /** Whether there are so many that they should not wait for the end of the turn. */
  get isFull(): boolean {
    return this.#bytes >= MAX_BYTES
  }

  /** @param bulk the last element of a message, encoded */
  add(bulk: string): void {
    this.#bulks.push(bulk)
    this.#joined = {}
    this.#bytes += HEAD_BYTES + this.#channel.length + bulk.length
  }

  /** Sends the messages to one subscriber. */
  sendTo(subscriber: Subscriber): void {
    const { protocol } = subscriber.reply
    this.#joined[protocol] ??= this.#join(protocol)
    sendShared(subscriber, this.#joined[protocol])
  }

  /** Sends the messages to all readers, and begins anew. Those who are joining are left for the caller. */
  send(): void {
    for (const subscriber of this.readers) this.sendTo(subscriber)
    this.#bulks = []
    this.#bytes = 0
    this.#joined = {}
  }

  #join(protocol: 2 | 3): Buffer {
    const head =
      (protocol === 3 ? encodePushHeader : encodeArrayHeader)(3) + headOf(undefined, this.#channel)
    return Buffer.from(head + this.#bulks.join(head), 'latin1')
  }
}
