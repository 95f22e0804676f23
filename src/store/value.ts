import { isAscii, isUtf8 } from 'node:buffer'
import { allocateLarge } from './large-allocation.ts'

/**
 * The bytes of a value: a string of one byte a character or, from {@link LARGE_VALUE_BYTES} on, a
 * Buffer, whose bytes lie outside V8's heap (docs/decisions/0012). Both have a `length` in bytes.
 *
 * Nobody may change the bytes of a value: nodes, events and unsent messages share them.
 */
export type Value = string | Buffer

/** Values of this length or more are Buffers. */
export const LARGE_VALUE_BYTES = 8 * 1024

/** No value is longer, whatever `proto-max-bulk-len` says; in a group, where nodes may differ in that, this is the limit. */
export const MAX_VALUE_BYTES = 256 * 1024 * 1024

/** An error message shows this much of a longer value. */
const MAX_SHOWN_BYTES = 128

/** A value that grows to at most this length gets as many spare bytes behind it as it has bytes. */
const MAX_DOUBLED_BYTES = 1024 * 1024
/** A value that grows further gets this share of its length as spare bytes. */
const SPARE_SHARE = 1 / 8

/**
 * Memory with spare bytes, and how many of its bytes are in use. Only the value that ends where the
 * spare bytes begin is appended to by writing into them, so the bytes of no other value change.
 */
const usedBytes = new WeakMap<ArrayBufferLike, number>()

/** Methods of Buffer that its types lack: `toString` and `write` without the look-up of latin1. */
interface Latin1Buffer {
  latin1Slice(start: number, end: number): string
  latin1Write(text: string, at: number): number
}

/** The value with the bytes of a binary string. */
export function toValue(text: string): Value {
  return text.length < LARGE_VALUE_BYTES ? text : bytesOf(text)
}

/** The value with a copy of some bytes. */
export function copyValue(bytes: Buffer, start = 0, end = bytes.length): Value {
  return end - start < LARGE_VALUE_BYTES ? textIn(bytes, start, end) : copyBytes(bytes, start, end)
}

/** A copy of some bytes, in memory of its own. */
export function copyBytes(bytes: Buffer, start: number, end: number): Buffer {
  const copy = allocateLarge(end - start)
  copy.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end))
  return copy
}

/** The same bytes in memory of their own. */
export function ownValue(value: Value): Value {
  if (typeof value === 'string') return textIn(joint, 0, writeValue(joint, 0, value))
  return copyBytes(value, 0, value.length)
}

/** The value as a binary string. @throws RangeError if it is longer than a string can be */
export function textOfValue(value: Value): string {
  return typeof value === 'string' ? value : textIn(value, 0, value.length)
}

/** The value as bytes, which must not be changed. */
export function bytesOf(value: Value): Buffer {
  if (typeof value !== 'string') return value
  const bytes = allocateLarge(value.length)
  ;(bytes as unknown as Latin1Buffer).latin1Write(value, 0)
  return bytes
}

/** Whether two values have the same bytes. */
export function equalValues(a: Value, b: Value): boolean {
  if (typeof a === 'string' && typeof b === 'string') return a === b
  return a.length === b.length && bytesOf(a).equals(bytesOf(b))
}

/** The bytes from `start` to `end`, as in `String.slice`, in the value's memory where possible. */
export function sliceValue(value: Value, start: number, end: number): Value {
  return typeof value === 'string' ? value.slice(start, end) : value.subarray(start, end)
}

/**
 * Like {@link sliceValue}, but a short slice is copied, so that what keeps it keeps at most twice as many
 * bytes as it has.
 */
export function ownSlice(value: Value, start: number, end: number): Value {
  const slice = sliceValue(value, start, end)
  if (typeof slice === 'string' || 2 * slice.length >= value.length) return slice
  return copyBytes(slice, 0, slice.length)
}

/** How many bytes {@link ownSlice} copies. Neither offset may be negative. */
export function copiedToSlice(value: Value, start: number, end: number): number {
  if (typeof value === 'string') return 0
  const length = Math.min(end, value.length) - start
  return length > 0 && 2 * length < value.length ? length : 0
}

/** Puts the value into a Buffer that has room for it. @returns where it ends */
export function writeValue(target: Buffer, at: number, value: Value): number {
  if (typeof value === 'string') (target as unknown as Latin1Buffer).latin1Write(value, at)
  else target.set(value, at)
  return at + value.length
}

/** Whether the bytes are valid UTF-8, and so may stand in JSON as they are. */
export function isTextValue(value: Buffer): boolean {
  return isAscii(value) || isUtf8(value)
}

/**
 * A value with `part` at `offset`; a gap between the value's end and the part is filled with NUL
 * bytes. A part behind the end of a large value is written into the spare bytes there. If they do not
 * suffice, the value is copied into new memory with spare bytes, so appending copies each byte a
 * bounded number of times. Writing over bytes copies the value.
 */
export function putIntoValue(value: Value, offset: number, part: Value): Value {
  const length = Math.max(value.length, offset + part.length)
  if (length < LARGE_VALUE_BYTES) {
    const bytes = Buffer.alloc(length)
    writeValue(bytes, 0, value)
    writeValue(bytes, offset, part)
    return textIn(bytes, 0, length)
  }
  const appends = offset >= value.length
  const grown = (appends ? extended(value, length) : undefined) ?? grownCopy(value, length, appends)
  if (offset > value.length) grown.fill(0, value.length, offset)
  writeValue(grown, offset, part)
  return grown
}

/** A value with another one behind it. */
export function appendToValue(value: Value, tail: Value): Value {
  const isSmall = value.length + tail.length < LARGE_VALUE_BYTES
  return isSmall && typeof value === 'string' && typeof tail === 'string'
    ? joinText(value, tail)
    : putIntoValue(value, value.length, tail)
}

/** How many bytes are copied to append to a value: none if it has spare bytes. @param more how many to append */
export function copiedToAppend(value: Value, more: number): number {
  return hasSpare(value, value.length + more) ? 0 : value.length
}

/** {@link joinText} and {@link ownValue} put strings here. */
const joint = Buffer.allocUnsafeSlow(LARGE_VALUE_BYTES)

/**
 * Joins two strings into one piece. By itself V8 would keep them as two, which share their characters with
 * others, and make one piece of them when they are read: reading would take memory, which nobody asks for.
 */
function joinText(value: string, tail: string): string {
  const end = writeValue(joint, writeValue(joint, 0, value), tail)
  return textIn(joint, 0, end)
}

/** Whether a value has spare bytes behind it up to a length. */
function hasSpare(value: Value, length: number): value is Buffer {
  if (typeof value === 'string') return false
  const { buffer: memory, byteOffset } = value
  const isLast = usedBytes.get(memory) === byteOffset + value.length
  return isLast && byteOffset + length <= memory.byteLength
}

/** The value, followed by unwritten bytes in the same memory; undefined if there is no room. */
function extended(value: Value, length: number): Buffer | undefined {
  if (!hasSpare(value, length)) return undefined
  const { buffer: memory, byteOffset } = value
  usedBytes.set(memory, byteOffset + length)
  return Buffer.from(memory, byteOffset, length)
}

/** A copy of the value, followed by bytes not written yet. @param spare whether to add spare bytes */
function grownCopy(value: Value, length: number, spare: boolean): Buffer {
  const more = length <= MAX_DOUBLED_BYTES ? length : Math.ceil(length * SPARE_SHARE)
  const memory = allocateLarge(spare ? length + more : length)
  writeValue(memory, 0, value)
  if (!spare) return memory
  usedBytes.set(memory.buffer, length)
  return memory.subarray(0, length)
}

/** Some bytes as a binary string. */
export function textIn(bytes: Buffer, start: number, end: number): string {
  return (bytes as unknown as Latin1Buffer).latin1Slice(start, end)
}

/** A value in an error message: the beginning of a long one. */
export function shownValue(value: Value): string {
  if (typeof value === 'string' && value.length <= MAX_SHOWN_BYTES) return value
  const start = textOfValue(sliceValue(value, 0, MAX_SHOWN_BYTES))
  return `${start}... (${value.length} bytes)`
}
