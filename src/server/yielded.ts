import type { Accountable } from '../request/guard.ts'
import { processMemory } from './client-memory.ts'

/** One turn of the event loop serves clients that ask for much for this long together, about. */
const MAX_TURN_MS = 20
/** Clients that have yielded are served for so long a turn, even if the input that has just come took all of it. */
const MIN_YIELDED_MS = 10
/** And for so long in a turn that has accepted a connection: there may be hundreds to accept, one a turn. */
const HURRIED_MS = 1
/** A client yields after this long if no other has yielded. */
const ALONE_MS = 10
/** And after this long if others have. */
const SHARED_MS = 1
/** A client that is served when the turn's time is over: enough for a short pipeline. */
const LATE_MS = 0.25
/** The share of the process's memory that may be taken by input of clients that have yielded. */
const INPUT_SHARE = 1 / 16

/** A client that yields its turn. */
export interface YieldingClient extends Accountable {
  /** Bytes received and not served yet. */
  readonly bufferedInput: number
  /** Serves what has been received, until the slice is over. */
  serveSlice(): void
}

/** Reads the clock once a request. */
interface Laps {
  /** In milliseconds since the process began. */
  readonly lastLap: number
}

/**
 * The clients that have more to be served than one turn has time for. They wait in one queue and are served in turn,
 * a slice each, however many they are: between two readings of all sockets lie some 20 ms, so that a client with
 * a short request does not wait for the pipelines of a hundred others.
 *
 *     input ─▶ short ───────────────────────────▶ served at the end of the turn
 *          └─▶ long ─▶ nobody waits, time is left ─▶ served at once ─ slice over ─┐
 *                  └─▶ otherwise ─────────────────────────────────────────────────┴─▶ queue ─▶ slice by slice
 */
export class Yielded {
  readonly #clock: Laps
  readonly #maxBytes: number
  #waiting: YieldingClient[] = []
  /** How much input each of them had when it came. */
  #inputs: number[] = []
  /** How many of them have been served in this turn. */
  #served = 0
  /** The input of all of them. */
  #bytes = 0
  /** When this turn began to serve; 0 while it has not. All times are milliseconds since the process began. */
  #since = 0
  /** Until when clients that have yielded are served in this turn; 0 while they are not. */
  #until = 0

  /** @param maxBytes with more input than this waiting, nobody yields early, so that the input becomes less */
  constructor(clock: Laps, maxBytes = processMemory() * INPUT_SHARE) {
    this.#clock = clock
    this.#maxBytes = maxBytes
  }

  /** How many clients wait. */
  get size(): number {
    return this.#waiting.length - this.#served
  }

  /** Whether a client with long input is to wait for its slice. */
  get busy(): boolean {
    return (this.size > 0 || this.#late) && this.#bytes <= this.#maxBytes
  }

  /** Until when the client that is about to be served may go on. The clock has just been read. */
  sliceEnd(): number {
    const now = this.#clock.lastLap
    if (this.#since === 0) this.#since = now
    if (!this.busy) return now + ALONE_MS
    if (this.#until === 0 && this.#late) return now + LATE_MS
    return now + SHARED_MS
  }

  add(client: YieldingClient): void {
    const input = client.bufferedInput
    this.#waiting.push(client)
    this.#inputs.push(input)
    this.#bytes += input
  }

  /**
   * Serves those that wait.
   *
   * @param afterEach called when one of them has been served
   * @param hurries whether somebody waits for the end of this turn, who will wait for the ends of others, too
   */
  serve(afterEach: () => void, hurries = false): void {
    if (this.size === 0) return
    const now = performance.now()
    this.#until = hurries
      ? now + HURRIED_MS
      : Math.max(now + MIN_YIELDED_MS, this.#since + MAX_TURN_MS)
    // Those that yield again come last.
    do {
      const client = this.#waiting[this.#served]
      this.#bytes -= this.#inputs[this.#served]
      this.#served++
      try {
        client.serveSlice()
      } catch (error) {
        client.fail(error)
      }
      afterEach()
    } while (this.size > 0 && this.#clock.lastLap < this.#until)
    this.#waiting.splice(0, this.#served)
    this.#inputs.splice(0, this.#served)
    this.#served = this.#until = 0
  }

  /** Called at the end of a turn. */
  endTurn(): void {
    this.#since = 0
  }

  get #late(): boolean {
    return this.#since > 0 && this.#clock.lastLap - this.#since > MAX_TURN_MS
  }
}
