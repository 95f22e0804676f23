/**
 * The content of the first field with this number, of a protobuf message: only length-delimited
 * and varint fields are known, and only the former returned.
 */
function bytesField(message: Buffer, wanted: number): Buffer {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++]
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }
  while (at < message.length) {
    const tag = varint()
    const wireType = tag & 7
    if (wireType !== 0 && wireType !== 2) throw new Error(`unknown wire type ${wireType}`)
    const value = varint()
    if (wireType === 0) continue
    if (tag >> 3 === wanted) return message.subarray(at, at + value)
    at += value
  }
  throw new Error(`no field ${wanted}`)
}

/**
 * The v2 store's JSON document from a file of etcd's `member/snap`: an envelope with a checksum
 * (field 1) and the snapshot (field 2), whose field 1 is the state machine's data.
 */
export function storeDocument(snapFile: Buffer): string {
  return bytesField(bytesField(snapFile, 2), 1).toString('latin1')
}
