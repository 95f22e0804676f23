import type { Message } from '../resp/message.ts'
import { encodeBulk } from '../resp/reply-encoding.ts'
import type { Event } from '../store/event.ts'
import { encodeEvent } from '../store/event-json.ts'
import type { PieceList, Pieces } from '../store/pieces.ts'

/**
 * The event that is being shown to streams and patterns, encoded once for all of them in a row. One for a server, and
 * forgotten at the end of the turn: thousands of channels keep nothing.
 */
export class ShownEvent {
  #event: Event | undefined
  #json: string | PieceList = ''
  #bulk = ''
  /** The last message of the event, and which stream's it is. */
  #stream: object | undefined
  #message: Message | undefined
  readonly #onKept: () => void

  /** @param onKept called when there is something to {@link forget} at the end of the turn */
  constructor(onKept: () => void) {
    this.#onKept = onKept
  }

  /** An event as JSON. */
  encode(event: Event): string | Pieces {
    if (event === this.#event) return this.#json
    const json = encodeEvent(event)
    this.#remember(event, json)
    return json
  }

  /** An event as a bulk string of JSON; undefined if it is too long for that. */
  bulk(event: Event): string | undefined {
    const json = this.encode(event)
    if (typeof json !== 'string') return undefined
    if (this.#bulk === '') this.#bulk = encodeBulk(json)
    return this.#bulk
  }

  /** The message that a stream has last made of an event. */
  messageOf(stream: object, event: Event): Message | undefined {
    return stream === this.#stream && event === this.#event ? this.#message : undefined
  }

  keepMessage(stream: object, message: Message): void {
    this.#stream = stream
    this.#message = message
  }

  forget(): void {
    if (typeof this.#json !== 'string') this.#json.forget()
    this.#event = this.#stream = this.#message = undefined
    this.#json = ''
    this.#bulk = ''
  }

  #remember(event: Event, json: string | PieceList): void {
    this.forget()
    if (typeof json !== 'string') json.share()
    this.#event = event
    this.#json = json
    this.#onKept()
  }
}
