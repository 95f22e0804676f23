/**
 * How LevelDB's logs lie in a file, its MANIFEST too: blocks, and in them records, each behind a header of its checksum,
 * its length and its type. What is left of a block and too short for a header is empty.
 *
 * @module
 */

export const BLOCK_BYTES = 32 * 1024
export const HEADER_BYTES = 7
