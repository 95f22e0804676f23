import { bytesOf, copyValue, type Value } from '../store/value.ts'
import { ExpectedError } from '../text/expected-error.ts'
import { crc64 } from './crc64.ts'
import { compress, decompress } from './lzf.ts'

/** The version of Redis's format that DUMP writes and RESTORE reads: the one of Redis 7.0. */
const VERSION = 10
const VERSION_LENGTH = 2
const FOOTER_LENGTH = VERSION_LENGTH + 8

/** The type byte of a string. */
const STRING = 0

/** The upper bits of a length: how many bits the length has, or that an encoded string follows. */
const BITS_14 = 0x40
const BITS_32 = 0x80
const BITS_64 = 0x81
const ENCODED = 0xc0
const INT_8 = 0xc0
const INT_16 = 0xc1
const INT_32 = 0xc2
const COMPRESSED = 0xc3

/** Two types and two lengths, each of which has at most nine bytes. */
const MAX_HEAD_BYTES = 2 + 2 * 9

/** A longer string is never a 32-bit integer. */
const MAX_INTEGER_LENGTH = 11
const INTEGER = /^(?:0|-?[1-9]\d*)$/
/** Strings up to this length are not compressed. */
const MAX_UNCOMPRESSED_BYTES = 20
/** A string is compressed only if that saves at least this much. */
const MIN_SAVED_BYTES = 4
/** The most bytes that one compressed byte can expand to: three bytes expand to 264. */
const MAX_BYTES_PER_BYTE = 88

/** A payload of RESTORE that is not valid; the message is Redis's. */
export class PayloadError extends ExpectedError {
  override readonly name = 'PayloadError'
}

/** Encodes a string as Redis's DUMP does, byte for byte. */
export function encodeString(value: Value): Value {
  const bytes = bytesOf(value)
  const object = integerObject(value) ?? compressedObject(bytes) ?? [lengthOf(bytes.length), bytes]
  const version = Buffer.from([VERSION & 0xff, VERSION >> 8])
  const payload = Buffer.concat([Buffer.from([STRING]), ...object, version])
  return copyValue(Buffer.concat([payload, crc64(payload)]))
}

function integerObject(value: Value): Buffer[] | undefined {
  if (typeof value !== 'string' || value.length > MAX_INTEGER_LENGTH) return undefined
  if (!INTEGER.test(value)) return undefined
  const integer = Number(value)
  const object = Buffer.alloc(5)
  if (integer === (integer << 24) >> 24) {
    object[0] = INT_8
    return [object.subarray(0, object.writeInt8(integer, 1))]
  }
  if (integer === (integer << 16) >> 16) {
    object[0] = INT_16
    return [object.subarray(0, object.writeInt16LE(integer, 1))]
  }
  if (integer !== (integer | 0)) return undefined
  object[0] = INT_32
  return [object.subarray(0, object.writeInt32LE(integer, 1))]
}

function compressedObject(bytes: Buffer): Buffer[] | undefined {
  if (bytes.length <= MAX_UNCOMPRESSED_BYTES) return undefined
  const compressed = compress(bytes, bytes.length - MIN_SAVED_BYTES)
  if (compressed === undefined) return undefined
  const lengths = [lengthOf(compressed.length), lengthOf(bytes.length)]
  return [Buffer.from([COMPRESSED]), ...lengths, compressed]
}

function lengthOf(length: number): Buffer {
  if (length < BITS_14) return Buffer.from([length])
  if (length < 2 ** 14) return Buffer.from([BITS_14 | (length >> 8), length & 0xff])
  const bytes = Buffer.alloc(5)
  bytes[0] = BITS_32
  bytes.writeUInt32BE(length, 1)
  return bytes
}

/**
 * How long the string in a payload is, as its head says: found without decoding it, or looking at its checksum.
 *
 * @param limit the longest string that is accepted, in bytes
 * @returns 0 if {@link decodeString} refuses the payload for what its head says
 */
export function decodedLength(payload: Value, limit: number): number {
  const head = bytesOf(payload.slice(0, MAX_HEAD_BYTES))
  const reader = new ObjectReader(head, payload.length - FOOTER_LENGTH, limit)
  try {
    return reader.length()
  } catch (error) {
    if (error instanceof RangeError) return 0
    throw error
  }
}

/**
 * Decodes the string in a payload of DUMP, from Redis or from ktree.
 *
 * @param limit the longest string that is accepted, in bytes
 * @throws PayloadError if the payload is damaged, from a newer Redis, not a string, or too long
 */
export function decodeString(payload: Value, limit: number): Value {
  const bytes = bytesOf(payload)
  const end = bytes.length - FOOTER_LENGTH
  const summed = bytes.subarray(0, end + VERSION_LENGTH)
  if (
    end < 0 ||
    bytes.readUInt16LE(end) > VERSION ||
    !crc64(summed).equals(bytes.subarray(end + VERSION_LENGTH))
  ) {
    throw new PayloadError('DUMP payload version or checksum are wrong')
  }
  const reader = new ObjectReader(bytes, end, limit)
  try {
    return reader.string()
  } catch (error) {
    if (error instanceof RangeError) throw new PayloadError('Bad data format')
    throw error
  }
}

/** Reads a string. Throws a RangeError if the bytes are not a string. */
class ObjectReader {
  /** May be the beginning only, if no more is read. */
  readonly #bytes: Buffer
  readonly #end: number
  readonly #limit: number
  #at = 0

  constructor(bytes: Buffer, end: number, limit: number) {
    this.#bytes = bytes
    this.#end = end
    this.#limit = limit
  }

  string(): Value {
    if (this.#take(1)[0] !== STRING) throw new RangeError('not a string')
    const first = this.#take(1)[0]
    switch (first) {
      case INT_8:
        return String(this.#take(1).readInt8())
      case INT_16:
        return String(this.#take(2).readInt16LE())
      case INT_32:
        return String(this.#take(4).readInt32LE())
      case COMPRESSED:
        return this.#compressed()
      default:
        return copyValue(this.#take(this.#length(first)))
    }
  }

  /** How long the string is, at most if it is an integer. */
  length(): number {
    if (this.#take(1)[0] !== STRING) throw new RangeError('not a string')
    const first = this.#take(1)[0]
    if (first === INT_8 || first === INT_16 || first === INT_32) return MAX_INTEGER_LENGTH
    if (first === COMPRESSED) return this.#compressedParts().length
    const length = this.#length(first)
    this.#take(length)
    return length
  }

  #compressed(): Value {
    const { input, length } = this.#compressedParts()
    const bytes = decompress(input, length)
    if (bytes === undefined) throw new RangeError('not compressed')
    return copyValue(bytes)
  }

  #compressedParts(): { input: Buffer; length: number } {
    const compressed = this.#length(this.#take(1)[0])
    const length = this.#length(this.#take(1)[0])
    const input = this.#take(compressed)
    if (length > this.#limit || length > compressed * MAX_BYTES_PER_BYTE)
      throw new RangeError('too long')
    return { input, length }
  }

  #length(first: number): number {
    if (first < BITS_14) return first
    if (first < BITS_32) return ((first & 0x3f) << 8) | this.#take(1)[0]
    if (first === BITS_32) return this.#take(4).readUInt32BE()
    if (first === BITS_64) return Number(this.#take(8).readBigUInt64BE())
    throw new RangeError(first < ENCODED ? 'not a length' : 'an encoding in place of a length')
  }

  #take(length: number): Buffer {
    const start = this.#at
    if (length > this.#end - start) throw new RangeError('cut short')
    this.#at += length
    return this.#bytes.subarray(start, this.#at)
  }
}
