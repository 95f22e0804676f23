/** The bytes are not a protobuf message. */
export class ProtobufError extends Error {
  override name = 'ProtobufError'
}

/** The highest number of a field that is kept. */
const MAX_FIELD = 15

/**
 * Reads the fields of a protobuf message by their numbers: a varint as a number, any other field as
 * bytes. If a field comes twice, the last one counts. Numbers above 2^53 are not exact. Fields above 15 are
 * passed over, because no message that is read here has one, and what is kept must not grow with the input.
 *
 * @throws ProtobufError
 */
export function readMessage(message: Buffer): Map<number, number | Buffer> {
  const fields = new Map<number, number | Buffer>()
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      // Ten bytes hold 64 bits.
      if (at >= message.length || scale > 2 ** 63) throw new ProtobufError('a broken varint')
      const byte = message[at++]
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }
  const bytes = (length: number): Buffer => {
    if (length > message.length - at) throw new ProtobufError('a field beyond the end')
    at += length
    return message.subarray(at - length, at)
  }
  while (at < message.length) {
    const tag = varint()
    const number = Math.floor(tag / 8)
    if (number === 0) throw new ProtobufError('a field with the number 0')
    const value = readValue(tag % 8, varint, bytes)
    if (number <= MAX_FIELD) fields.set(number, value)
  }
  return fields
}

function readValue(
  wireType: number,
  varint: () => number,
  bytes: (length: number) => Buffer,
): number | Buffer {
  switch (wireType) {
    case 0:
      return varint()
    case 1:
      return bytes(8)
    case 2:
      return bytes(varint())
    case 5:
      return bytes(4)
    default:
      throw new ProtobufError(`unknown wire type ${wireType}`)
  }
}
