import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** How many short collections end the work of a full one: after the first, some of it may be left. */
const SWEEPS = 2
/** V8 begins a collection when so much more than after the last one lies outside its heap, in bytes. */
const OUTSIDE_BYTES = 64 * 1024 ** 2

/** V8 is had to mark again so often until a collection has ended, in milliseconds. */
const MARK_MS = 2000

let collectGarbage: ((options?: { type: 'minor' }) => void) | undefined

/** A buffer; from Node 22 on its memory can be given back at once. */
type Outside = ArrayBuffer & { transfer?(length: number): ArrayBuffer }

/**
 * V8's garbage collector, as far as a program can drive it.
 *
 * Problem: V8 offers a collection in one go only, and all clients wait for it: 1 s for a heap of 800 MB. It knows how to mark
 * what is in use bit by bit, and does so when memory outside its heap has grown.
 *
 * Trick: a buffer of that length is made, which V8 only counts, as nobody writes into it, and dropped at once. V8 begins to mark,
 * and the longest step takes some 20 ms.
 *
 * Price: nobody is told that it is over, except through an object that was garbage before it began.
 *
 * Can be deleted by having `begin` collect in one go.
 */
export class Collector {
  /** Called soon after the end of a collection that was begun, with the time of that. */
  onEnd: (begunAt: number) => void = () => {}
  /** When it was begun, in milliseconds since the process began; undefined if none is. */
  #begunAt: number | undefined
  #markedAt = 0
  readonly #ended = new FinalizationRegistry<number>((begunAt) => {
    // One that was given up may end all the same.
    if (begunAt !== this.#begunAt) return
    this.#begunAt = undefined
    this.onEnd(begunAt)
  })

  get begunAt(): number | undefined {
    return this.#begunAt
  }

  /** Begins a collection, which V8 goes on with while clients are served. To be followed by {@link goOn} until its end. */
  begin(now: number): void {
    this.#begunAt = now
    this.#ended.register({}, now)
    // What becomes old while V8 marks counts as in use.
    this.sweep()
    this.#mark(now)
  }

  /** V8 may have marked already when the collection was begun: then it takes another one. */
  goOn(now: number): void {
    if (now - this.#markedAt >= MARK_MS) this.#mark(now)
  }

  /** Has V8 begin to mark; if it does so already, it goes on sooner. */
  #mark(now: number): void {
    this.#markedAt = now
    if (!growOutside()) this.sweep()
  }

  /** Collects all garbage, while all clients wait. */
  collect(): void {
    this.#begunAt = undefined
    collectGarbage ??= garbageCollector()
    collectGarbage()
    // V8 frees the bytes of Buffers later, on another thread; a short collection waits for that.
    this.sweep()
  }

  /** Collects new objects, in about a millisecond; those that stay are old then. */
  sweep(): void {
    collectGarbage ??= garbageCollector()
    for (let i = 0; i < SWEEPS; i++) collectGarbage({ type: 'minor' })
  }
}

/**
 * Has V8 count more outside its heap for a moment.
 *
 * @returns false if that ends with the next short collection, which must not be asked for where it ends at once: there it would end
 * what V8 has begun
 */
function growOutside(): boolean {
  const outside: Outside = new ArrayBuffer(OUTSIDE_BYTES + 1)
  return outside.transfer?.(0) !== undefined
}

/** V8's function, which exists only with the flag `--expose-gc`. */
function garbageCollector(): NonNullable<typeof collectGarbage> {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as NonNullable<typeof collectGarbage>
}
