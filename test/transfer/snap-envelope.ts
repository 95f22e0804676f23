import CRC32C from 'crc-32/crc32c.js'

/** A protobuf varint: seven bits a byte, the lowest first. */
export function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.from([...bytes, rest])
}

export type FieldValue = number | string | Buffer

/** A protobuf message with these fields, by their numbers. */
export function message(...fields: readonly (readonly [number, FieldValue])[]): Buffer {
  const parts = fields.map(([number, value]) => {
    if (typeof value === 'number') return Buffer.concat([varint(number * 8), varint(value)])
    const bytes = Buffer.from(value)
    return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes])
  })
  return Buffer.concat(parts)
}

/** The envelope of a .snap file, with its checksum. */
export function envelope(data: Buffer): Buffer {
  return message([1, CRC32C.buf(data) >>> 0], [2, data])
}

/** A .snap file as etcd writes it. */
export function snapFile(document: string, raftIndex = 25): Buffer {
  const metadata = message([1, message([1, 7])], [2, raftIndex], [3, 2])
  return envelope(message([1, document], [2, metadata]))
}
