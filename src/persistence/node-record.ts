import type { DirectoryNode, FileNode, Node } from '../store/tree/node.ts'
import { writeValue } from '../store/value.ts'
import { CHECKSUM_LENGTH, seal } from './checksum.ts'
import { DamagedDataError } from './errors.ts'
import { NUMBER_LENGTH, readNumber, writeNumber } from './keys.ts'

/** Flag of a node that expires. */
const HAS_LEASE = 1
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
}

function allocate(node: Node, bodyLength: number): { value: Buffer; bodyAt: number } {
  const { lease } = node
  const bodyAt = lease === null ? BODY_AT : BODY_AT + TIME_LENGTH
  const value = Buffer.allocUnsafe(bodyAt + bodyLength)
  value[FLAGS_AT] = lease === null ? 0 : HAS_LEASE
  value.writeDoubleLE(node.createdIndex, CREATED_AT)
  value.writeDoubleLE(node.modifiedIndex, MODIFIED_AT)
  if (lease !== null) value.writeDoubleLE(lease.expireTime, BODY_AT)
  return { value, bodyAt }
}

/** The record of a file. Its body is the value. */
export function encodeFile(file: FileNode, key: Buffer): Buffer {
  const { value, bodyAt } = allocate(file, file.value.length)
  writeValue(value, bodyAt, file.value)
  seal(key, value)
  return value
}

/**
 * The record of a directory. Its body is its parent and name: moving it changes no other record.
 */
export function encodeDirectory(directory: DirectoryNode, key: Buffer, parentId: number): Buffer {
  const { value, bodyAt } = allocate(directory, NUMBER_LENGTH + directory.name.length)
  writeNumber(value, parentId, bodyAt)
  value.write(directory.name, bodyAt + NUMBER_LENGTH, 'latin1')
  seal(key, value)
  return value
}

/** @throws DamagedDataError if it is not readable */
export function decodeNode(value: Buffer): NodeFields {
  const hasLease = value[FLAGS_AT] === HAS_LEASE
  const bodyAt = hasLease ? BODY_AT + TIME_LENGTH : BODY_AT
  if (value.length < bodyAt || value[FLAGS_AT] > HAS_LEASE) {
    throw new DamagedDataError('the record of a node is not readable')
  }
  return {
    createdIndex: value.readDoubleLE(CREATED_AT),
    modifiedIndex: value.readDoubleLE(MODIFIED_AT),
    expireTime: hasLease ? value.readDoubleLE(BODY_AT) : undefined,
    bodyAt,
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
