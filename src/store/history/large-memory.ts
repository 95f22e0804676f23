import type { Event } from '../event.ts'

/** A memory, with the index of the last event that has a value in it. */
type HeldMemory = ArrayBufferLike & Record<symbol, number | undefined>

/**
 * The memory of large values that the events of a history keep alive. Several values may lie in the
 * same memory, and several events may have the same value: it counts once.
 *
 * The index is a property of the memory itself. A Map would be copied again and again as values come
 * and go, and its former tables, being old objects, would keep their young values alive.
 */
export class LargeMemory {
  /** The name of that property. A copy of the history has another one. */
  readonly #lastIndex = Symbol('the last event of a history')
  #count = 0
  #length = 0

  /** Whether no event has a large value. */
  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** The bytes of all large values, each once for each event that has it: a checkpoint writes as many. */
  get length(): number {
    return this.#length
  }

  /** Counts a value of an event. @returns how many bytes it keeps alive that were not counted */
  hold({ buffer, length }: Buffer, index: number): number {
    this.#length += length
    const memory = buffer as HeldMemory
    const isHeld = (memory[this.#lastIndex] ?? 0) > 0
    memory[this.#lastIndex] = index
    if (isHeld) return 0
    this.#count++
    return memory.byteLength
  }

  /** Counts the values of an event. */
  holdAll(event: Event): void {
    for (const value of largeValuesOf(event)) this.hold(value, event.index)
  }

  /** No longer counts the oldest event. @returns how many bytes it alone has kept alive */
  releaseAll(event: Event): number {
    let bytes = 0
    for (const { buffer, length } of largeValuesOf(event)) {
      this.#length -= length
      const memory = buffer as HeldMemory
      if (memory[this.#lastIndex] !== event.index) continue
      memory[this.#lastIndex] = 0
      this.#count--
      bytes += memory.byteLength
    }
    return bytes
  }
}

function largeValuesOf(event: Event): Buffer[] {
  const { overwrite } = event
  const values =
    overwrite === undefined
      ? [event.node.value, event.prevNode?.value]
      : [overwrite.value, overwrite.prevValue]
  return values.filter((value) => typeof value === 'object')
}
