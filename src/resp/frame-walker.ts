import { LARGE_VALUE_BYTES } from '../store/value.ts'
import { parseRequestLength } from './request-length.ts'
import { longestBulk, type RequestLimits, unauthenticatedLimits } from './request-limits.ts'

const CARRIAGE_RETURN = 13
const LINE_FEED = 10
const DOLLAR = 36
const STAR = 42
/** How every TLS connection begins: a record that shakes hands, of version 3. */
const TLS_RECORD = 0x16
const TLS_VERSION = 3
/** The protocol error of a client that wants an encrypted connection where there is none. */
export const SPEAKS_TLS = 'Protocol error: it speaks TLS, on a port that does not'
const ZERO = 48

/** Two bytes follow a bulk string. Like Redis, ktree does not check them. */
const BULK_END_LENGTH = 2

/** How many bytes of a header line are kept; this is longer than any valid number. */
const MAX_KEPT_LINE = 32

/** The result of one step of the walk. */
export type Step =
  /** The chunk ends within a request. */
  | 'incomplete'
  /** A request `*N` with N > 0 ends at `position`. */
  | 'frame'
  /** The header of a large argument ends at `position`: `largeLength` bytes follow. */
  | 'large'
  /** A request without arguments, which is skipped silently, ends at `position`. */
  | 'empty'
  /** An inline request, its line feed included, ends at `position`. */
  | 'inline'
  /** `error` says what is wrong; the walk cannot go on. */
  | 'error'

type Phase = 'request' | 'count' | 'length' | 'body' | 'inline'

/**
 * Finds where requests end by reading only their headers. It refuses the input that Redis 7.0
 * refuses (networking.c: processInlineBuffer, processMultibulkBuffer), with the same errors.
 *
 * The body of a large argument is not walked over: the caller takes it, and goes on behind it.
 *
 * It holds no bytes except the beginning of a header line that a chunk's end has cut in two, and
 * looks at no byte twice. Two oddities of Redis are kept. Redis looks for the end of a line with
 * strchr, so a NUL byte hides the rest of the input until the line is too long. The byte after `\r`
 * in a header is not checked.
 */
export class FrameWalker {
  /** Where in the chunk the last step ended. */
  position = 0
  /** The protocol error, in the words of Redis's reply, without `ERR `. */
  error = ''

  readonly #limits: RequestLimits
  #phase: Phase = 'request'
  /** How many bytes the large argument has whose header was read last. */
  largeLength = 0
  #argumentsLeft = 0
  /** Whether the next argument is the command's name, which is never large. */
  #atName = false
  #bodyLeft = 0

  // The line that a chunk's end has cut in two.
  #line = ''
  #lineLength = 0
  #lineHidden = false
  #carriageReturnSeen = false

  /** @param limits read at every header */
  constructor(limits: RequestLimits) {
    this.#limits = limits
  }

  /** Whether the next byte begins a new request. */
  get betweenRequests(): boolean {
    return this.#phase === 'request'
  }

  /** Whether the next byte belongs to an argument, or to its header. */
  get inArguments(): boolean {
    return this.#phase === 'length' || this.#phase === 'body'
  }

  /** Forgets the current request: the next byte begins a new one. */
  reset(): void {
    this.#phase = 'request'
    this.error = ''
    this.#forgetLine()
  }

  /**
   * Walks to the end of the request that `from` is in, or to the end of the chunk.
   *
   * @param from where the last step ended, or 0 for a new chunk
   * @param unauthenticated whether the lower limits hold
   */
  step(chunk: Buffer, from: number, unauthenticated: boolean): Step {
    this.position = from
    if (this.#phase === 'request') {
      if (from >= chunk.length) return 'incomplete'
      if (chunk[from] === TLS_RECORD && chunk[from + 1] === TLS_VERSION) {
        this.error = SPEAKS_TLS
        return 'error'
      }
      this.#phase = chunk[from] === STAR ? 'count' : 'inline'
    }
    if (this.#phase === 'inline') return this.#walkInline(chunk)
    if (this.#phase === 'count') {
      const count = this.#readHeader(chunk, STAR)
      if (count === undefined) return this.error === '' ? 'incomplete' : 'error'
      if (Number.isNaN(count) || count > this.#limits.maxArguments) {
        return this.#fail('invalid multibulk length')
      }
      if (unauthenticated && count > unauthenticatedLimits.maxArguments) {
        return this.#fail('unauthenticated multibulk length')
      }
      if (count <= 0) {
        this.#phase = 'request'
        return 'empty'
      }
      this.#argumentsLeft = count
      this.#atName = true
      this.#phase = 'length'
    }
    return this.#walkArguments(chunk, unauthenticated)
  }

  #walkArguments(chunk: Buffer, unauthenticated: boolean): Step {
    for (;;) {
      if (this.#phase === 'length') {
        const length = this.#readHeader(chunk, DOLLAR)
        if (length === undefined) return this.error === '' ? 'incomplete' : 'error'
        const { maxBulkLength } = this.#limits
        const longest = this.#atName ? Math.min(maxBulkLength, longestBulk) : maxBulkLength
        if (Number.isNaN(length) || length < 0 || length > longest) {
          return this.#fail('invalid bulk length')
        }
        if (unauthenticated && length > unauthenticatedLimits.maxBulkLength) {
          return this.#fail('unauthenticated bulk length')
        }
        this.#phase = 'body'
        const isLarge = length >= LARGE_VALUE_BYTES && !this.#atName
        this.#atName = false
        this.#bodyLeft = isLarge ? BULK_END_LENGTH : length + BULK_END_LENGTH
        if (isLarge) {
          this.largeLength = length
          return 'large'
        }
      }
      const available = chunk.length - this.position
      if (available < this.#bodyLeft) {
        this.#bodyLeft -= available
        this.position = chunk.length
        return 'incomplete'
      }
      this.position += this.#bodyLeft
      this.#argumentsLeft -= 1
      if (this.#argumentsLeft === 0) {
        this.#phase = 'request'
        return 'frame'
      }
      this.#phase = 'length'
    }
  }

  /**
   * Reads a header line at `position`.
   *
   * @returns its number; NaN if it is not a number; undefined if the line goes on in the next
   *   chunk, or if `error` is set
   */
  #readHeader(chunk: Buffer, type: number): number | undefined {
    // Fast path: nearly every header is a type byte and up to nine digits, all in this chunk.
    let at = this.position
    if (this.#lineLength === 0 && !this.#carriageReturnSeen && chunk[at] === type) {
      const first = ++at
      let number = 0
      let digit = chunk[at] - ZERO
      while (digit >= 0 && digit <= 9 && at - first < 9) {
        number = number * 10 + digit
        digit = chunk[++at] - ZERO
      }
      const plain = at > first && (chunk[first] !== ZERO || at === first + 1)
      if (plain && chunk[at] === CARRIAGE_RETURN && at + 1 < chunk.length) {
        this.position = at + 2
        return number
      }
    }
    if (!this.#readLine(chunk, CARRIAGE_RETURN)) {
      if (this.#lineLength <= this.#limits.maxInlineLength) return undefined
      this.#fail(type === STAR ? 'too big mbulk count string' : 'too big bulk count string')
      return undefined
    }
    const line = this.#line
    this.#forgetLine()
    if (line.charCodeAt(0) !== type) {
      this.#fail(`expected '$', got '${line === '' ? '\r' : line[0]}'`)
      return undefined
    }
    return parseRequestLength(line.slice(1)) ?? Number.NaN
  }

  #walkInline(chunk: Buffer): Step {
    const complete = this.#readLine(chunk, LINE_FEED)
    if (this.#lineLength > this.#limits.maxInlineLength) return this.#fail('too big inline request')
    if (!complete) return 'incomplete'
    this.#forgetLine()
    this.#phase = 'request'
    return 'inline'
  }

  /**
   * Walks to the end of a line, and gathers its first bytes. It stops one byte beyond the limit on
   * a line's length, which the caller must check.
   *
   * @returns true when `position` is behind the line
   */
  #readLine(chunk: Buffer, end: number): boolean {
    const start = this.position
    const limit = Math.min(
      chunk.length,
      start + this.#limits.maxInlineLength + 1 - this.#lineLength,
    )
    let at = start
    if (!this.#carriageReturnSeen) {
      if (this.#lineHidden) at = limit
      while (at < limit && chunk[at] !== end && chunk[at] !== 0) at++
      if (this.#line.length < MAX_KEPT_LINE) {
        this.#line += chunk.toString('latin1', start, Math.min(at, start + MAX_KEPT_LINE))
      }
      if (at < limit && chunk[at] === 0) {
        this.#lineHidden = true
        at = limit
      }
      this.#lineLength += at - start
      this.position = at
      if (at >= limit) return false
      this.position = ++at
      if (end === LINE_FEED) return true
      this.#carriageReturnSeen = true
    }
    if (at >= chunk.length) return false
    this.position = at + 1
    return true
  }

  #forgetLine(): void {
    this.#line = ''
    this.#lineLength = 0
    this.#lineHidden = false
    this.#carriageReturnSeen = false
  }

  #fail(reason: string): Step {
    this.error = `Protocol error: ${reason}`
    return 'error'
  }
}
