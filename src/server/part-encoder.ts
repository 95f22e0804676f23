import { putText } from '../resp/byte-encoding.ts'
import {
  lengthOfSource,
  MIN_REFERENCED_BYTES,
  referredBytes,
  SourcePart,
  ValuePart,
} from '../resp/reply-parts.ts'
import { type ReplyPart, type ReplySource, ReplyWriter } from '../resp/reply-writer.ts'
import { looseValues, NEVER, type References } from '../store/loose-values.ts'
import type { Value } from '../store/value.ts'
import { addReferences, OutputQueue } from './output-queue.ts'

/** The most bytes that are encoded before they are sent. */
const SCRATCH_BYTES = 256 * 1024
/** The most bytes of a value that are sent at a time, so that it shows how far the client reads. */
const MAX_SLICE_BYTES = 1024 * 1024

/** All outputs encode into the same memory, one after the other. */
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
/** Sources write into the same writer, one after the other. */
const maker = new ReplyWriter()

/** Bytes to send, and whether they are overwritten soon. */
export interface EncodedBytes {
  bytes: Buffer
  isScratch: boolean
}

/**
 * Turns the parts of a client's output into bytes, as the client reads them: long strings are encoded
 * in slices, and sources make one piece after the other.
 *
 *     queue   part · part · part
 *              └─▶ source ─▶ pieces: part · part
 *                             └─▶ value, from an offset on ─▶ bytes
 */
export class PartEncoder {
  readonly #queue = new OutputQueue()
  /** The source that makes pieces now. */
  #source: SourcePart<ReplySource> | undefined
  /** What it has made, the last part first. */
  #pieces: ReplyPart[] = []
  /** The value that is encoded now. */
  #value: Value | undefined
  #offset = 0
  /** Whether that is no value of the tree. */
  #isOwn = false
  /** When the part was made that is being sent now, on the scale of {@link looseValues}. */
  #mark = NEVER
  /** How many sources there are, the present one included. */
  #sources = 0

  get isEmpty(): boolean {
    return !this.#hasBegun && this.#queue.isEmpty
  }

  /** Whether a reply is still to be made. */
  get hasSource(): boolean {
    return this.#sources > 0
  }

  /** Whether more of the value is to come whose bytes {@link next} returned last. */
  get isWithinValue(): boolean {
    return this.#value !== undefined
  }

  /** How many bytes are still to be sent, as parts count them; a value counts until it is sent whole. */
  get length(): number {
    return this.#queue.length + this.#begunLength + this.#sourceLength
  }

  /** How many bytes of memory it holds: without the values it refers to, but with what sources share. */
  get ownLength(): number {
    return this.#queue.ownLength + this.#sourceLength + this.#ownBegunLength + this.sharedBytes
  }

  /** How much of that sources keep. */
  get sourceLength(): number {
    return this.#queue.sourceLength + this.#sourceLength + this.sharedBytes
  }

  /** Memory that its sources keep together, in bytes, about. */
  get sharedBytes(): number {
    return this.#queue.shared.bytesWith(this.#source?.shared)
  }

  /** When the oldest part was made that refers to values, on the scale of {@link looseValues}. */
  get refersSince(): number {
    return Math.min(this.#hasBegun ? this.#mark : NEVER, this.#queue.refersSince)
  }

  /**
   * How many bytes it may keep alive of values that the tree has no more: see {@link looseValues}.
   *
   * @param inHeap only those that lie in V8's heap
   */
  looseBytes(inHeap: boolean): number {
    const since = this.refersSince
    if (since === NEVER) return 0
    // Sources may refer to the same.
    const references = new Set<References>()
    this.#queue.addReferences(references)
    if (this.#source !== undefined) addReferences(references, this.#source.source)
    let bytes = 0
    for (const { all, heap } of references) bytes += inHeap ? heap : all
    // A value that is a part of its own is long, and so lies in a Buffer.
    if (!inHeap) bytes += this.#queue.referencedLength
    if (!inHeap && this.#mark !== NEVER) bytes += this.#begunLength - this.#ownBegunLength
    return Math.min(bytes, looseValues.since(since))
  }

  /** @param part bytes that never change, if it is bytes */
  add(part: ReplyPart): void {
    if (part instanceof SourcePart) this.#sources++
    this.#queue.add(part)
  }

  /**
   * Encodes the next bytes; none, if a source has only prepared its next piece.
   *
   * @throws what a source throws: the reply can then not be ended
   */
  next(): EncodedBytes {
    let length = 0
    while (length < SCRATCH_BYTES) {
      const value = this.#value ?? this.#begin()
      if (value === undefined) {
        // What a source makes is sent by itself.
        if (this.#source === undefined || length > 0) break
        length = this.#makePiece(this.#source)
        if (this.#pieces.length === 0) break
        continue
      }
      const left = value.length - this.#offset
      if (typeof value !== 'string' && left >= MIN_REFERENCED_BYTES) {
        if (length > 0) break
        return { bytes: this.#sliceOf(value), isScratch: false }
      }
      const count = Math.min(left, SCRATCH_BYTES - length)
      const end = this.#offset + count
      if (typeof value === 'string') putText(scratch, length, value.slice(this.#offset, end))
      else value.copy(scratch, length, this.#offset, end)
      length += count
      this.#moveTo(end)
    }
    return { bytes: scratch.subarray(0, length), isScratch: true }
  }

  clear(): void {
    this.#queue.clear()
    this.#source = this.#value = undefined
    this.#pieces = []
    this.#sources = 0
  }

  /** Whether a part is being sent. */
  get #hasBegun(): boolean {
    return this.#value !== undefined || this.#pieces.length > 0 || this.#source !== undefined
  }

  /** What is left of the pieces, and the value, all of which is kept until it is sent. */
  get #begunLength(): number {
    let length = this.#value?.length ?? 0
    for (const part of this.#pieces) length += part.length
    return length
  }

  /** How much of that is no value of the tree. */
  get #ownBegunLength(): number {
    let length = this.#value !== undefined && this.#isOwn ? this.#value.length : 0
    for (const part of this.#pieces) length += part.length - referredBytes(part)
    return length
  }

  /** What the source takes at this moment: more than at first, if it has come to a deep directory. */
  get #sourceLength(): number {
    return this.#source === undefined ? 0 : lengthOfSource(this.#source.source)
  }

  /** Turns to the next part. @returns what is to be encoded; undefined if a source comes, or nothing */
  #begin(): Value | undefined {
    const part = this.#pieces.pop() ?? this.#shift()
    if (part === undefined) return undefined
    if (part instanceof SourcePart) {
      this.#source = part
      return undefined
    }
    this.#isOwn = referredBytes(part) === 0
    this.#value = part instanceof ValuePart ? part.value : part
    this.#offset = 0
    return this.#value
  }

  #shift(): ReplyPart | undefined {
    if (this.#source !== undefined || this.#queue.isEmpty) return undefined
    const part = this.#queue.shift()
    this.#mark = Buffer.isBuffer(part) ? NEVER : part.mark
    return part
  }

  /** @returns how many bytes it has put into the scratch; 0 if it has made parts, or nothing */
  #makePiece(part: SourcePart<ReplySource>): number {
    maker.protocol = part.protocol
    try {
      if (!part.source.next(maker)) {
        this.#source = undefined
        this.#sources--
      }
      const { length } = maker
      if (maker.isPlain && length <= SCRATCH_BYTES) return maker.bytes.copy(scratch)
      this.#pieces = maker.takeParts().reverse()
      return 0
    } finally {
      maker.clear()
    }
  }

  #sliceOf(value: Buffer): Buffer {
    const start = this.#offset
    const end = Math.min(value.length, start + MAX_SLICE_BYTES)
    this.#moveTo(end)
    return value.subarray(start, end)
  }

  #moveTo(offset: number): void {
    this.#offset = offset
    if (offset === (this.#value as Value).length) this.#value = undefined
  }
}
