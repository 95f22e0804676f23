import type { JournalFiles } from './journal-files.ts'
import type { JournalReader } from './journal-reader.ts'
import { SEGMENT_HEADER_BYTES } from './segment.ts'

/** A segment of a journal that is open for appending. */
export interface Segment {
  readonly path: string
  readonly sequence: number
  readonly seed: number
  /** The position of its first record. */
  start: number
  /** Undefined once everything in the segment is on the disk and nothing will follow. */
  file: number | undefined
}

/**
 * Leaves on the disk exactly what was read: cuts off a torn end, and syncs the rest.
 *
 * @returns the segments kept; of several at the end without records, only the first
 */
export async function keepWhole(
  directory: string,
  { torn, unfinished, segments, end }: JournalReader,
  files: JournalFiles,
): Promise<Segment[]> {
  const sizes = segments.map(({ path, size }) => (path === torn?.path ? torn.offset : size))
  const isEmpty = (index: number) => sizes[index] === SEGMENT_HEADER_BYTES
  const isNeedless = (last: number) =>
    (torn !== undefined && segments[last].path > torn.path) ||
    (last > 0 && isEmpty(last) && isEmpty(last - 1))
  let count = segments.length
  // The last goes first: after a power cut, the journal still ends where the torn end begins.
  if (unfinished !== undefined) await files.remove(unfinished)
  while (count > 0 && isNeedless(count - 1)) await files.remove(segments[--count].path)
  if (count < segments.length) await files.syncDirectory(directory)
  const kept: Segment[] = []
  for (let i = count - 1, start = end; i >= 0; i--) {
    const { path, sequence, seed } = segments[i]
    const file = files.open(path)
    try {
      if (path === torn?.path) files.truncate(file, torn.offset)
      await files.sync(file)
    } finally {
      files.close(file)
    }
    if (!isEmpty(i)) start = segments[i].start ?? start
    kept.unshift({ path, sequence, seed, start, file: undefined })
  }
  return kept
}
