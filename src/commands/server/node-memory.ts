import { type Node, nodesBelow } from '../../store/tree/node.ts'

/** About what V8 takes, in bytes: measured on half a million keys. */
const STRING_BYTES = 16
const FILE_BYTES = 72
const DIRECTORY_BYTES = 96
/** Of a directory's table and the list of all files, for each child. */
const CHILD_BYTES = 32
const EMPTY_TABLE_BYTES = 80
/** For one file so many directories are looked at, at the most. */
const DIRECTORIES_PER_FILE = 64
const LEASE_BYTES = 88

/** V8 keeps objects at multiples of 8 bytes. */
function stringBytes({ length }: string): number {
  return STRING_BYTES + 8 * Math.ceil(length / 8)
}

function ownBytes(node: Node): number {
  const lease = node.lease === null ? 0 : LEASE_BYTES
  const common = lease + stringBytes(node.name) + CHILD_BYTES
  return node.dir
    ? common + DIRECTORY_BYTES + EMPTY_TABLE_BYTES
    : common + FILE_BYTES + stringBytes(node.value)
}

/**
 * What a node takes of memory, a directory with all below it.
 *
 * @param samples so many files of a directory, found first, stand for all
 * @returns bytes, about
 */
export function nodeBytes(node: Node, samples: number): number {
  if (!node.dir) return ownBytes(node)
  const own = ownBytes(node)
  let bytes = 0
  let files = 0
  let seen = 0
  for (const each of nodesBelow(node)) {
    // A tree may have many more directories than files: they, too, are not all looked at.
    if (files === samples || seen++ >= samples * DIRECTORIES_PER_FILE) {
      return own + Math.round(bytes * Math.max(1, node.files / Math.max(1, files)))
    }
    if (!each.dir) files++
    bytes += ownBytes(each)
  }
  return own + bytes
}
