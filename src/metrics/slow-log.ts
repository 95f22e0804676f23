import type { Config } from '../config/config.ts'
import type { Clock } from '../store/clock.ts'
import { ownCopy } from '../store/path.ts'
import { sliceValue, textOfValue, type Value } from '../store/value.ts'
import { RecentEntries } from './recent-entries.ts'

/** Arguments kept of a slow request (Redis). */
const MAX_ARGUMENTS = 32
/** Bytes kept of an argument (Redis). */
const MAX_ARGUMENT_BYTES = 128
/** What an entry, and each of its arguments, takes beside its text. */
const ENTRY_BYTES = 200
const ARGUMENT_BYTES = 32

/** The client that sent a request. */
interface NamedClient {
  readonly address: string
  readonly name: string
}

/** An entry of the slow log. */
export interface SlowRequest {
  readonly id: number
  /** Unix seconds. */
  readonly time: number
  /** Microseconds. */
  readonly duration: number
  readonly args: readonly string[]
  /** Nothing of the arguments is left out. */
  readonly whole: boolean
  readonly address: string
  readonly clientName: string
}

/** Redis's slow log: keeps the last requests that took `slowlog-log-slower-than` or longer. */
export class SlowLog {
  readonly #config: Config
  readonly #clock: Clock
  readonly #requests: RecentEntries<SlowRequest>
  #nextId = 0

  /** @param maxBytes the most memory that the entries may take, about, however many are allowed */
  constructor(config: Config, clock: Clock, maxBytes: number) {
    this.#requests = new RecentEntries(bytesOf, maxBytes)
    this.#config = config
    this.#clock = clock
    config.onChange('slowlog-max-len', () => this.#trim())
  }

  get length(): number {
    return this.#requests.length
  }

  /** The newest entries, the newest first. @param count Infinity for all */
  latest(count: number): readonly SlowRequest[] {
    return this.#requests.latest(count)
  }

  /**
   * Adds a request, if it was slow.
   *
   * @param secrets positions of the arguments that must not be shown
   * @param duration microseconds
   */
  add(
    client: NamedClient,
    args: readonly Value[],
    secrets: readonly number[],
    duration: number,
  ): void {
    const limit = this.#config.get('slowlog-log-slower-than')
    if (limit < 0 || duration < limit) return
    const request = {
      id: this.#nextId++,
      time: Math.floor(this.#clock.now() / 1000),
      duration: Math.floor(duration),
      args: shortened(args, secrets),
      whole: args.length <= MAX_ARGUMENTS && args.every(isShort),
      address: client.address,
      clientName: client.name,
    }
    this.#requests.add(request)
    this.#trim()
  }

  /** Drops all entries. */
  clear(): void {
    this.#requests.clear()
  }

  #trim(): void {
    this.#requests.trim(this.#config.get('slowlog-max-len'))
  }
}

/** Memory that an entry takes, about. */
function bytesOf({ args, address, clientName }: SlowRequest): number {
  let bytes = ENTRY_BYTES + address.length + clientName.length
  for (const arg of args) bytes += ARGUMENT_BYTES + arg.length
  return bytes
}

function isShort(arg: Value): boolean {
  return arg.length <= MAX_ARGUMENT_BYTES
}

/** A request's arguments, with words in place of those that are secret or too long (Redis). */
function shortened(args: readonly Value[], secrets: readonly number[]): string[] {
  const kept = args.length > MAX_ARGUMENTS ? MAX_ARGUMENTS - 1 : args.length
  const shown = args.slice(0, kept).map((arg, i) => {
    if (secrets.includes(i)) return '(redacted)'
    // A short one is often cut from the text of all requests of a turn.
    if (isShort(arg)) return ownCopy(textOfValue(arg))
    const more = arg.length - MAX_ARGUMENT_BYTES
    return `${ownCopy(textOfValue(sliceValue(arg, 0, MAX_ARGUMENT_BYTES)))}... (${more} more bytes)`
  })
  if (kept < args.length) shown.push(`... (${args.length - kept} more arguments)`)
  return shown
}
