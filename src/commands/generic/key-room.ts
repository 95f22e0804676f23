import type { MemoryGauge } from '../../metrics/memory-gauge.ts'
import { checkRoomToRead } from '../../request/room.ts'

/** What a key takes that has been put together, in bytes, beside the bytes of a long one. */
const KEY_BYTES = 64
/** What a key's place in a list takes, in bytes, while the list moves to a longer one. */
const PLACE_BYTES = 24
/** After keys of so many bytes, memory is asked whether it has room for as many more. */
const BYTES_PER_CHECK = 1024 * 1024

/**
 * One request looks at long keys of so many bytes in one go, compared with one pattern: below a directory
 * with a name of 15 KB each short key is as long.
 */
const MAX_LONG_BYTES = 32 * 1024 * 1024
/** Or this share of the heap, because the keys that match are kept. */
const HEAP_SHARE = 1 / 32

/** A path counts as long if to find it takes more than this many looks at directories. */
const FREE_LOOKS = 8
/** And each more as so many bytes. */
const LOOK_BYTES = 32

/** Counts the bytes of the keys that a request puts together, and of those that it keeps. */
export class KeyRoom {
  readonly #memory: MemoryGauge
  readonly #tries: number
  #longBytesLeft: number
  #places = 0
  /** What all keys take that are kept, in bytes, about. */
  bytes = 0
  #checkAt = BYTES_PER_CHECK

  /** @param tries how many patterns each key is compared with, about */
  constructor(memory: MemoryGauge, tries: number) {
    this.#memory = memory
    this.#tries = Math.max(1, tries)
    this.#longBytesLeft = Math.min(MAX_LONG_BYTES, Math.floor(memory.heapLimit * HEAP_SHARE))
  }

  /** Whether the request may look at more keys. */
  get isLeft(): boolean {
    return this.#longBytesLeft > 0
  }

  /** Counts a key that is looked at. */
  look(length: number): void {
    if (length > KEY_BYTES) this.#longBytesLeft -= (length - KEY_BYTES) * this.#tries
  }

  /** Counts what it took to find a path, or that there is none. @param looks at the directories above a file */
  find(looks: number): void {
    if (looks > FREE_LOOKS) this.#longBytesLeft -= (looks - FREE_LOOKS) * LOOK_BYTES
  }

  /** Counts a key that is kept. @throws CommandError if there is no room for more */
  keep(length: number): void {
    this.#places++
    this.bytes += length > KEY_BYTES ? KEY_BYTES + length : KEY_BYTES
    if (this.bytes < this.#checkAt) return
    this.#checkAt = this.bytes + BYTES_PER_CHECK
    checkRoomToRead(this.#memory, PLACE_BYTES * this.#places + BYTES_PER_CHECK)
  }
}
