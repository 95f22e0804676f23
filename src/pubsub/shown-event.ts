import { LargeMessage } from '../resp/message.ts'
import { headOf, PassingMessage } from '../resp/passing-message.ts'
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
  /** The same in bytes; absent if nobody has needed it. */
  #bytes: Buffer | undefined
  readonly #passing = new PassingMessage()
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

  /**
   * A message that shows an event. It may become another one with the next call.
   *
   * @param pattern that the channel matches; undefined for who listens to the channel itself
   */
  messageOf(
    pattern: string | undefined,
    channel: string,
    event: Event,
  ): PassingMessage | LargeMessage {
    const bulk = this.bulk(event)
    if (bulk === undefined) {
      const items = pattern === undefined ? 3 : 4
      return new LargeMessage(items, headOf(pattern, channel), this.encode(event) as Pieces)
    }
    this.#bytes ??= Buffer.from(bulk, 'latin1')
    return this.#passing.set(pattern, channel, this.#bytes)
  }

  forget(): void {
    if (typeof this.#json !== 'string') this.#json.forget()
    this.#event = this.#bytes = undefined
    this.#json = ''
    this.#bulk = ''
    this.#passing.forget()
  }

  #remember(event: Event, json: string | PieceList): void {
    this.forget()
    if (typeof json !== 'string') json.share()
    this.#event = event
    this.#json = json
    this.#onKept()
  }
}
