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
    const { index, overwrite } = event
    const value = overwrite === undefined ? event.node.value : overwrite.value
    const prevValue = overwrite === undefined ? event.prevNode?.value : overwrite.prevValue
    if (typeof value === 'object') this.hold(value, index)
    if (typeof prevValue === 'object') this.hold(prevValue, index)
  }

  /** No longer counts the oldest event. @returns how many bytes it alone has kept alive */
  releaseAll(event: Event): number {
    const { index, overwrite } = event
    const value = overwrite === undefined ? event.node.value : overwrite.value
    const prevValue = overwrite === undefined ? event.prevNode?.value : overwrite.prevValue
    let bytes = 0
    if (typeof value === 'object') bytes += this.#release(value, index)
    if (typeof prevValue === 'object') bytes += this.#release(prevValue, index)
    return bytes
  }

  #release({ buffer, length }: Buffer, index: number): number {
    this.#length -= length
    const memory = buffer as HeldMemory
    if (memory[this.#lastIndex] !== index) return 0
    memory[this.#lastIndex] = 0
    this.#count--
    return memory.byteLength
  }
}
