import { type MemoryGauge, MIN_STEP_BYTES } from '../metrics/memory-gauge.ts'
import { CommandError } from './arguments/errors.ts'
import { tooMuch } from './exec-limits.ts'

/** The refusal of a request that needs more memory than there is. */
export function noRoom(): CommandError {
  return new CommandError(
    "OOM command not allowed when it needs more memory than 'maxmemory' or the process's heap has left.",
  )
}

/**
 * Refuses a request that reads much, because V8 ends the process when its heap is full.
 *
 * @param bytes of the heap that it may take
 * @throws CommandError
 */
export function checkRoomToRead(memory: MemoryGauge, bytes: number): void {
  if (bytes >= MIN_STEP_BYTES && !memory.heapHasRoomToRead(bytes)) throw noRoom()
}

/** What a node takes in a copy of the tree, in bytes of the heap, while the copy is made. */
const COPIED_NODE_BYTES = 40
/** When the listings of an EXEC have copied so many nodes, it gets no more: each takes some 0.1 µs. */
const MAX_COPIED_NODES = 5_000_000

/** Says whether many nodes may be copied for a listing. */
export class CopyRoom {
  readonly #memory: MemoryGauge
  /** How many nodes the present EXEC has copied; below 0 outside of one. */
  #copied = Number.NEGATIVE_INFINITY

  constructor(memory: MemoryGauge) {
    this.#memory = memory
  }

  /** @throws CommandError if there is no room, or the EXEC has copied too many nodes */
  take(nodes: number): void {
    checkRoomToRead(this.#memory, nodes * COPIED_NODE_BYTES)
    if (this.#copied > MAX_COPIED_NODES) throw tooMuch('nodes listed', MAX_COPIED_NODES)
    this.#copied += nodes
  }

  beginExec(): void {
    this.#copied = 0
  }

  endExec(): void {
    this.#copied = Number.NEGATIVE_INFINITY
  }
}
