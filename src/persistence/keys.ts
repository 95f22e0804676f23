/**
 * The first byte of a key: the kind of its record. Records of one kind lie together, and the kinds
 * are read in this order. Numbers in keys are big-endian, so that keys are sorted by number.
 */
export const KIND = {
  /** `d` and an id: a directory. */
  directory: 0x64,
  /** `e` and an index: consecutive events from that index on. */
  events: 0x65,
  /** `f`, a directory's id and a name: a file. */
  file: 0x66,
  /** `m`: the head, which exists once. */
  meta: 0x6d,
  /** `p`: the places of events that the history has dropped. */
  places: 0x70,
  /** `v`, an id and a number: a piece of a long value. */
  value: 0x76,
} as const

/** Length of a number in a key, in bytes. */
export const NUMBER_LENGTH = 8
export const MAX_ID = Number.MAX_SAFE_INTEGER
const FILE_NAME_AT = 1 + NUMBER_LENGTH

export const metaKey = Buffer.from([KIND.meta])
export const placesKey = Buffer.from([KIND.places])

/** @returns where the number ends */
export function writeNumber(buffer: Buffer, number: number, at: number): number {
  buffer.writeUInt32BE(Math.floor(number / 2 ** 32), at)
  return buffer.writeUInt32BE(number >>> 0, at + 4)
}

export function readNumber(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) * 2 ** 32 + buffer.readUInt32BE(at + 4)
}

function numberKey(kind: number, number: number): Buffer {
  const key = Buffer.allocUnsafe(1 + NUMBER_LENGTH)
  key[0] = kind
  writeNumber(key, number, 1)
  return key
}

/** The number in a key. */
export function numberOf(key: Buffer): number {
  return readNumber(key, 1)
}

export function directoryKey(id: number): Buffer {
  return numberKey(KIND.directory, id)
}

/** The lowest key of a file in the directory with this id. */
export function firstFileKey(parentId: number): Buffer {
  return numberKey(KIND.file, parentId)
}

export function fileKey(parentId: number, name: string): Buffer {
  const key = Buffer.allocUnsafe(FILE_NAME_AT + name.length)
  key[0] = KIND.file
  writeNumber(key, parentId, 1)
  key.write(name, FILE_NAME_AT, 'latin1')
  return key
}

export function fileName(key: Buffer): string {
  return key.toString('latin1', FILE_NAME_AT)
}

/** The lowest key of a piece of a value with this id. */
export function firstValueKey(id: number): Buffer {
  return numberKey(KIND.value, id)
}

/** @param piece counts from 0 */
export function valueKey(id: number, piece: number): Buffer {
  const key = Buffer.allocUnsafe(FILE_NAME_AT + 4)
  key[0] = KIND.value
  writeNumber(key, id, 1)
  key.writeUInt32BE(piece, FILE_NAME_AT)
  return key
}

export function valuePiece(key: Buffer): number {
  return key.readUInt32BE(FILE_NAME_AT)
}

/** @param index of the first event in the record */
export function eventsKey(index: number): Buffer {
  return numberKey(KIND.events, index)
}
