import type { Event } from '../event.ts'

/** Places of a piece; a power of two. */
const PIECE_LENGTH = 2048
const PIECE_SHIFT = Math.log2(PIECE_LENGTH)
const PIECE_MASK = PIECE_LENGTH - 1

/** Some events in a row, with all that dropping one needs: by then the event has left the processor's cache. */
class Piece {
  readonly events: (Event | undefined)[]
  /** What each event counts in the history. */
  readonly sizes: Float64Array
  readonly indexes: Float64Array
  readonly crowds: Int32Array

  constructor(length: number) {
    this.events = new Array(length)
    this.sizes = new Float64Array(length)
    this.indexes = new Float64Array(length)
    this.crowds = new Int32Array(length)
  }

  /** A piece with the same events, of no crowds. */
  clone(): Piece {
    const copy = new Piece(PIECE_LENGTH)
    for (let i = 0; i < PIECE_LENGTH; i++) copy.events[i] = this.events[i]
    copy.sizes.set(this.sizes)
    copy.indexes.set(this.indexes)
    return copy
  }
}

/** Stands where there is no piece. */
const NO_PIECE = new Piece(0)

/**
 * Events in order of index: new ones come to the end, and the oldest leave at the front.
 *
 * Problem: in one array for all, a write that finds it full copies millions of events into a larger one: with
 * 4,194,304 events that takes more than a second, and all clients wait.
 *
 * Trick: pieces of equal length. The array that a write may have to copy has one place for each piece. A piece whose
 * events have all left becomes the next one at the end.
 *
 * Price: an event is found by way of its piece.
 *
 * Gain: no write takes longer than others. A full ring has no empty places but those of two pieces.
 */
export class EventRing {
  readonly #pieces: Piece[] = []
  // The two pieces that writes use, so that these need not look for them.
  #first = NO_PIECE
  #last = NO_PIECE
  /** An empty piece, so that a full history makes none. */
  #spare: Piece | undefined
  /** The place of the oldest event in the first piece. */
  #front = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @param bytes what the event counts; @param crowd see `EventHistory.add` */
  push(event: Event, bytes: number, crowd: number): void {
    const place = (this.#front + this.#size++) & PIECE_MASK
    if (place === 0) this.#addPiece()
    const piece = this.#last
    piece.events[place] = event
    piece.sizes[place] = bytes
    piece.indexes[place] = event.index
    piece.crowds[place] = crowd
  }

  /** Takes the oldest event out; there is one. Ask for its other fields first. */
  shift(): Event {
    const { events } = this.#first
    const event = events[this.#front] as Event
    events[this.#front++] = undefined
    this.#size--
    if (this.#front === PIECE_LENGTH) this.#removePiece()
    return event
  }

  /** What the oldest event counts. */
  get frontBytes(): number {
    return this.#first.sizes[this.#front]
  }

  get frontIndex(): number {
    return this.#first.indexes[this.#front]
  }

  get frontCrowd(): number {
    return this.#first.crowds[this.#front]
  }

  /** @param i 0 for the oldest event; below the size */
  at(i: number): Event {
    const position = this.#front + i
    return this.#pieces[position >>> PIECE_SHIFT].events[position & PIECE_MASK] as Event
  }

  indexAt(i: number): number {
    const position = this.#front + i
    return this.#pieces[position >>> PIECE_SHIFT].indexes[position & PIECE_MASK]
  }

  /** Some events in order. @param from the first; @param count so many at most */
  slice(from: number, count: number): Event[] {
    const end = this.#front + Math.min(from + count, this.#size)
    const parts: Event[][] = []
    for (let start = this.#front + from; start < end; ) {
      const place = start & PIECE_MASK
      const length = Math.min(PIECE_LENGTH - place, end - start)
      const { events } = this.#pieces[start >>> PIECE_SHIFT]
      parts.push(events.slice(place, place + length) as Event[])
      start += length
    }
    return parts.length === 1 ? parts[0] : ([] as Event[]).concat(...parts)
  }

  /** A ring with the same events, of no crowds. */
  clone(): EventRing {
    const copy = new EventRing()
    for (const piece of this.#pieces) copy.#pieces.push(piece.clone())
    copy.#first = copy.#pieces[0] ?? NO_PIECE
    copy.#last = copy.#pieces[copy.#pieces.length - 1] ?? NO_PIECE
    copy.#front = this.#front
    copy.#size = this.#size
    return copy
  }

  #addPiece(): void {
    this.#last = this.#spare ?? new Piece(PIECE_LENGTH)
    this.#spare = undefined
    this.#pieces.push(this.#last)
    this.#first = this.#pieces[0]
  }

  #removePiece(): void {
    this.#spare = this.#pieces.shift()
    this.#first = this.#pieces[0] ?? NO_PIECE
    this.#front = 0
  }
}
