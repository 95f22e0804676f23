import { type Node, nodesBelow } from '../../store/tree/node.ts'
import type { Value } from '../../store/value.ts'

// Approximately what V8 takes, measured on half a million keys.

const STRING_BYTES = 16
/** A Buffer, and what keeps account of its memory. */
const BUFFER_BYTES = 320
const FILE_BYTES = 72
const DIRECTORY_BYTES = 96
/** A child's share of its directory's table and of the list of all files. */
const CHILD_BYTES = 32
const EMPTY_TABLE_BYTES = 80
/** Estimating visits at most this many nodes times the number of files to sample. */
const MAX_DIRECTORIES_PER_FILE = 64
const LEASE_BYTES = 88

/** V8 aligns objects to 8 bytes. */
function stringBytes({ length }: string): number {
  return STRING_BYTES + 8 * Math.ceil(length / 8)
}

/** A large value may have bytes to spare. */
function valueBytes(value: Value): number {
  if (typeof value === 'string') return stringBytes(value)
  return BUFFER_BYTES + value.buffer.byteLength
}

/** The bytes of a node without the nodes below it. */
function ownBytes(node: Node): number {
  const lease = node.lease === null ? 0 : LEASE_BYTES
  const common = lease + stringBytes(node.name) + CHILD_BYTES
  return node.dir
    ? common + DIRECTORY_BYTES + EMPTY_TABLE_BYTES
    : common + FILE_BYTES + valueBytes(node.value)
}

/**
 * Estimates the memory of a node; for a directory, that of all nodes below it, too.
 *
 * @param samples how many files of a directory are measured; they stand for the others
 * @returns bytes
 */
export function nodeBytes(node: Node, samples: number): number {
  if (!node.dir) return ownBytes(node)
  const own = ownBytes(node)
  let bytes = 0
  let files = 0
  let seen = 0
  for (const each of nodesBelow(node)) {
    // Directories are limited, too, because a tree may have many more directories than files.
    if (files === samples || seen++ >= samples * MAX_DIRECTORIES_PER_FILE) {
      return own + Math.round(bytes * Math.max(1, node.files / Math.max(1, files)))
    }
    if (!each.dir) files++
    bytes += ownBytes(each)
  }
  return own + bytes
}
