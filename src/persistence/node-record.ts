import type { StoredValue } from '../store/tree/changes.ts'
import type { DirectoryNode, FileNode, Node } from '../store/tree/node.ts'
import { writeValue } from '../store/value.ts'
import { CHECKSUM_LENGTH, seal } from './checksum.ts'
import { DamagedDataError } from './errors.ts'
import { NUMBER_LENGTH, readNumber, writeNumber } from './keys.ts'

/** Flag of a node that expires. */
const HAS_LEASE = 1
/** Flag of a file whose value lies in records of its own. */
const HAS_STORED_VALUE = 2
const FLAGS_AT = CHECKSUM_LENGTH
const CREATED_AT = FLAGS_AT + 1
const MODIFIED_AT = CREATED_AT + 8
/**
 * Where the body of a permanent node begins. A node that expires has its time here, then the body.
 */
const BODY_AT = MODIFIED_AT + 8
const TIME_LENGTH = 8

/** The fields that files and directories have in common. */
export interface NodeFields {
  readonly createdIndex: number
  readonly modifiedIndex: number
  /** Unix milliseconds. */
  readonly expireTime: number | undefined
  /** Where in the record the body begins. */
  readonly bodyAt: number
  /** Whether the body tells where the value is: see {@link decodeStoredValue}. */
  readonly isStored: boolean
}

/** @param memory for the record, if it is long enough */
function allocate(
  node: Node,
  bodyLength: number,
  memory: Buffer | undefined,
): { value: Buffer; bodyAt: number } {
  const { lease } = node
  const bodyAt = lease === null ? BODY_AT : BODY_AT + TIME_LENGTH
  const length = bodyAt + bodyLength
  const value =
    memory !== undefined && length <= memory.length
      ? memory.subarray(0, length)
      : Buffer.allocUnsafe(length)
  value[FLAGS_AT] = lease === null ? 0 : HAS_LEASE
  value.writeDoubleLE(node.createdIndex, CREATED_AT)
  value.writeDoubleLE(node.modifiedIndex, MODIFIED_AT)
  if (lease !== null) value.writeDoubleLE(lease.expireTime, BODY_AT)
  return { value, bodyAt }
}

/**
 * The record of a file. Its body is the value.
 *
 * @param memory for the record, if it is long enough; the next record may use it, too
 */
export function encodeFile(file: FileNode, key: Buffer, memory?: Buffer): Buffer {
  const { value, bodyAt } = allocate(file, file.value.length, memory)
  writeValue(value, bodyAt, file.value)
  seal(key, value)
  return value
}

/** The record of a file whose value lies in records of its own. Its body is their id, and a length. */
export function encodeStoredFile(file: FileNode, key: Buffer, stored: StoredValue): Buffer {
  const { value, bodyAt } = allocate(file, 2 * NUMBER_LENGTH, undefined)
  value[FLAGS_AT] |= HAS_STORED_VALUE
  writeNumber(value, stored.id, bodyAt)
  writeNumber(value, stored.length, bodyAt + NUMBER_LENGTH)
  seal(key, value)
  return value
}

/** @throws DamagedDataError if it is not readable */
export function decodeStoredValue(value: Buffer, bodyAt: number): StoredValue {
  if (value.length !== bodyAt + 2 * NUMBER_LENGTH) {
    throw new DamagedDataError('the record of a file is not readable')
  }
  return { id: readNumber(value, bodyAt), length: readNumber(value, bodyAt + NUMBER_LENGTH) }
}

/**
 * The record of a directory. Its body is its parent and name: moving it changes no other record.
 */
export function encodeDirectory(directory: DirectoryNode, key: Buffer, parentId: number): Buffer {
  const { value, bodyAt } = allocate(directory, NUMBER_LENGTH + directory.name.length, undefined)
  writeNumber(value, parentId, bodyAt)
  value.write(directory.name, bodyAt + NUMBER_LENGTH, 'latin1')
  seal(key, value)
  return value
}

/** @throws DamagedDataError if it is not readable */
export function decodeNode(value: Buffer): NodeFields {
  const flags = value[FLAGS_AT]
  const hasLease = (flags & HAS_LEASE) !== 0
  const bodyAt = hasLease ? BODY_AT + TIME_LENGTH : BODY_AT
  if (value.length < bodyAt || flags > (HAS_LEASE | HAS_STORED_VALUE)) {
    throw new DamagedDataError('the record of a node is not readable')
  }
  return {
    createdIndex: value.readDoubleLE(CREATED_AT),
    modifiedIndex: value.readDoubleLE(MODIFIED_AT),
    expireTime: hasLease ? value.readDoubleLE(BODY_AT) : undefined,
    bodyAt,
    isStored: (flags & HAS_STORED_VALUE) !== 0,
  }
}

/** @throws DamagedDataError if it is not readable */
export function decodeDirectory(value: Buffer, bodyAt: number): { parentId: number; name: string } {
  if (value.length < bodyAt + NUMBER_LENGTH) {
    throw new DamagedDataError('the record of a directory is not readable')
  }
  return {
    parentId: readNumber(value, bodyAt),
    name: value.toString('latin1', bodyAt + NUMBER_LENGTH),
  }
}
