import { looseValues, type References } from '../store/loose-values.ts'
import { ownSlice, type Value } from '../store/value.ts'
import type { Shared } from './shared-memory.ts'

/** A part of a reply that is made as it is sent: about this many bytes at a time. */
export const PIECE_BYTES = 64 * 1024
/** A source takes about this much memory, in bytes, besides what it keeps. */
const SOURCE_BYTES = 2048
/** To refer to a value takes about this much memory, in bytes: a part, and one for what stands before it. */
const REFERENCE_BYTES = 256
/** A bulk string of at least this length is not copied into a reply, but referred to. */
export const MIN_REFERENCED_BYTES = 64 * 1024

/** A long value in its place among the other parts. It is not copied, and never changes. */
export class ValuePart {
  /** A binary string, or bytes. */
  readonly value: Value
  readonly length: number
  /** When it was made, on the scale of {@link looseValues}. */
  readonly mark: number

  constructor(value: Value, mark = looseValues.mark) {
    this.value = value
    this.length = value.length
    this.mark = mark
  }
}

/**
 * How many bytes of a part's length take no memory of their own, because the tree has them. Values of the tree that are
 * so long are Buffers: a long string has been made for the reply.
 */
export function referredBytes(part: unknown): number {
  return part instanceof ValuePart && typeof part.value !== 'string'
    ? part.length - REFERENCE_BYTES
    : 0
}

/** What {@link SourcePart} needs to know of a `ReplySource`. */
export interface Weighed {
  /** Memory that it alone keeps until it is done, in bytes, about; values of the tree do not count. */
  readonly weight: number
  /** What it keeps that other sources may keep, too. */
  readonly shared?: readonly Shared[] | undefined
  /** The values of the tree that it refers to until it is done. */
  readonly references?: References | undefined
}

/** A source of a reply, in its place among the other parts. */
export class SourcePart<Source extends Weighed> {
  readonly source: Source
  /** The RESP version when the reply was asked for. */
  readonly protocol: 2 | 3
  /** What it counts for among bytes: the memory that it alone takes. */
  readonly length: number
  /** When it was made, on the scale of {@link looseValues}. */
  readonly mark = looseValues.mark

  constructor(source: Source, protocol: 2 | 3) {
    this.source = source
    this.protocol = protocol
    this.length = lengthOfSource(source)
  }

  get shared(): readonly Shared[] | undefined {
    return this.source.shared
  }
}

/** What a source adds to the length of a reply. */
export function lengthOfSource({ weight }: Weighed): number {
  return SOURCE_BYTES + weight
}

/** A part of a reply: bytes, a long value, or what makes bytes when they are sent. */
export type Part<Source extends Weighed> = Buffer | ValuePart | SourcePart<Source>

/** The most bytes that are sent in one call, so that they show how far the client reads. */
const MAX_TOGETHER_BYTES = 1024 * 1024

/** The bytes of parts that need no encoding; undefined if some do, or if they are many. */
export function bytesOfParts<Source extends Weighed>(
  parts: readonly Part<Source>[],
): Buffer[] | undefined {
  const pieces: Buffer[] = []
  let length = 0
  for (const part of parts) {
    const bytes = part instanceof ValuePart ? part.value : part
    if (!Buffer.isBuffer(bytes)) return undefined
    length += bytes.length
    if (length > MAX_TOGETHER_BYTES) return undefined
    pieces.push(bytes)
  }
  return pieces
}

/** What is left of parts that are bytes, without the first `count` of them. */
export function partsBehind<Source extends Weighed>(
  parts: readonly Part<Source>[],
  count: number,
): Part<Source>[] {
  let first = 0
  let left = count
  while (first < parts.length && left >= parts[first].length) left -= parts[first++].length
  const rest = parts.slice(first)
  const [cut] = rest
  if (left === 0 || cut === undefined || cut instanceof SourcePart) return rest
  rest[0] =
    cut instanceof ValuePart
      ? new ValuePart(ownSlice(cut.value, left, cut.length), cut.mark)
      : cut.subarray(left)
  return rest
}

/**
 * Replaces ranges of a reply.
 *
 * @param parts in order; a range begins and ends anywhere but within a value or a source
 * @param ranges start and end offsets, in turn and in order; an empty range is left out
 */
export function replaceRanges<Source extends Weighed>(
  parts: readonly Part<Source>[],
  ranges: readonly number[],
  replacement: Buffer,
): Part<Source>[] {
  const replaced: Part<Source>[] = []
  const cutter = new PartCutter(parts)
  for (let i = 0; i < ranges.length; i += 2) {
    if (ranges[i] === ranges[i + 1]) continue
    cutter.takeTo(ranges[i], replaced)
    replaced.push(replacement)
    cutter.takeTo(ranges[i + 1])
  }
  cutter.takeTo(Number.POSITIVE_INFINITY, replaced)
  return replaced
}

/** The parts from one offset to another. */
export function cutParts<Source extends Weighed>(
  parts: readonly Part<Source>[],
  start: number,
  end: number,
): Part<Source>[] {
  const kept: Part<Source>[] = []
  const cutter = new PartCutter(parts)
  cutter.takeTo(start)
  cutter.takeTo(end, kept)
  return kept
}

/** Goes through parts once, whatever is cut from them. */
class PartCutter<Source extends Weighed> {
  readonly #parts: readonly Part<Source>[]
  #next = 0
  /** Where the next part begins. */
  #start = 0
  /** Up to where parts have been taken. */
  #at = 0

  constructor(parts: readonly Part<Source>[]) {
    this.#parts = parts
  }

  /** Takes what comes before an offset. @param into absent to drop it */
  takeTo(end: number, into?: Part<Source>[]): void {
    while (this.#next < this.#parts.length && this.#start < end) {
      const part = this.#parts[this.#next]
      const from = this.#at - this.#start
      const to = Math.min(part.length, end - this.#start)
      if (from < to) into?.push(Buffer.isBuffer(part) ? part.subarray(from, to) : part)
      this.#at = this.#start + to
      if (to < part.length) return
      this.#start += part.length
      this.#next++
    }
  }
}
