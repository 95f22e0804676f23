import type { Client } from '../request/client.ts'
import { LONG_SHARE } from '../request/tree-room.ts'

/** Those that wait: lets one go on, with the bytes of its write. */
export type Line = Map<() => void, number>

/**
 * The writes of a node that are on their way to the log, and those that wait until there are fewer. What a write takes may have
 * grown while it waited: a COPY of a key whose value is longer by now. So it is counted anew when it goes on.
 */
export class Crowd {
  /** All writes on their way may take so much; a single one may be longer. */
  readonly #mostBytes: number
  readonly #waiting: Line = new Map()
  /** Those that have had their turn, and took more by then than there was room for. They come first. */
  readonly #grown: Line = new Map()
  /** Clients whose write has waited, and goes on soon; with the room that is kept for it, in bytes. */
  readonly #admitted = new Map<Client, number>()
  /** What the writes on their way take, those of clients that have gone too, and those that go on soon, in bytes, about. */
  #bytesOnWay = 0
  /** How many writes that are. */
  #onWay = 0

  /** @param heapLimit of the process, in bytes */
  constructor(heapLimit: number) {
    this.#mostBytes = heapLimit * LONG_SHARE
  }

  /** Whether a write takes more than all may together. */
  isLong(bytes: number): boolean {
    return bytes > this.#mostBytes
  }

  /** A write is on its way. It takes the place of the room that is kept for it, if there is some. */
  begin(client: Client, bytes: number): void {
    this.#takeRoom(client)
    this.#add(bytes)
  }

  #add(bytes: number): void {
    this.#bytesOnWay += bytes
    this.#onWay++
  }

  /** It is not any more. To be followed by {@link admit}. */
  end(bytes: number): void {
    this.#bytesOnWay -= bytes
    this.#onWay--
  }

  /**
   * Where a write has to wait. Those that wait already come first. What is kept for it stays so until {@link begin} or
   * {@link giveBack}.
   *
   * @param bytes that it takes as the tree is now
   * @returns undefined if it need not
   */
  lineFor(client: Client, bytes: number): Line | undefined {
    const kept = this.#admitted.get(client)
    if (kept === undefined) {
      const isFirst = this.#waiting.size === 0 && this.#grown.size === 0
      return isFirst && this.#hasRoomFor(bytes) ? undefined : this.#waiting
    }
    const isAlone = this.#onWay === 1
    return bytes <= kept || isAlone || this.#hasRoomFor(bytes - kept) ? undefined : this.#grown
  }

  /** Keeps room for a write that goes on soon. */
  keepRoom(client: Client, bytes: number): void {
    this.#admitted.set(client, bytes)
    this.#add(bytes)
  }

  /** A write that has waited has gone on, or will not: takes back what is still kept for it, and lets others have it. */
  giveBack(client: Client): void {
    this.#takeRoom(client)
    this.admit()
  }

  /** One that waits will not go on, because its client has gone. */
  leave(line: Line, goOn: () => void): void {
    line.delete(goOn)
    this.admit()
  }

  /** Lets the first of those that wait go on, as long as there is room for them. */
  admit(): void {
    if (this.#admitFrom(this.#grown)) this.#admitFrom(this.#waiting)
  }

  /** @returns whether all have gone on */
  #admitFrom(line: Line): boolean {
    for (const [goOn, bytes] of line) {
      if (!this.#hasRoomFor(bytes)) return false
      line.delete(goOn)
      goOn()
    }
    return true
  }

  #hasRoomFor(bytes: number): boolean {
    return this.#onWay === 0 || this.#bytesOnWay + bytes <= this.#mostBytes
  }

  #takeRoom(client: Client): void {
    const bytes = this.#admitted.get(client)
    if (bytes === undefined) return
    this.#admitted.delete(client)
    this.end(bytes)
  }
}
