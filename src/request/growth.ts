import {
  LEVEL_BYTES,
  type MemoryGauge,
  MIN_STEP_BYTES,
  REQUEST_OVERHEAD_BYTES,
} from '../metrics/memory-gauge.ts'
import { LongDirectory, MIN_LONG_DIRECTORY_BYTES } from '../store/long-directory.ts'
import { cleanPath } from '../store/path.ts'
import { PathTree } from '../store/path-tree.ts'
import { CommandError } from './arguments/errors.ts'
import { noRoom } from './room.ts'

/**
 * Directories that may stand on the ways to the keys of one request. A key of 2 KB can have a thousand,
 * so that without a limit a request takes hundreds of times its own length, and as much time.
 */
const FREE_DIRECTORIES = 50_000
/** And for each argument this many more. */
const DIRECTORIES_PER_ARGUMENT = 2

/** Calls back with each key that a request writes. */
export type EachKey = (visit: (key: string) => void) => void

/**
 * Refuses a request, or a transaction, that makes too many nodes, before it makes any of them. The
 * memory is compared only once before a request runs, so it must not take much more than its length.
 *
 * @param length how many arguments it has
 * @param more bytes of the heap that it may take besides
 * @throws CommandError
 */
export function checkGrowth(memory: MemoryGauge, length: number, eachKey: EachKey, more = 0): void {
  const limit = FREE_DIRECTORIES + DIRECTORIES_PER_ARGUMENT * length
  let files = 0
  let directories = 0
  const last = new LongDirectory()
  eachKey((key) => {
    files++
    if (key.length <= MIN_LONG_DIRECTORY_BYTES) {
      directories += slashesIn(key, 0)
      return
    }
    const counted = last.endIn(key, 0)
    directories += slashesIn(key, counted)
    if (counted === 0) last.remember(key.slice(0, Math.max(0, key.lastIndexOf('/'))))
  })
  const hasRoom = (): boolean => {
    const bytes = files * REQUEST_OVERHEAD_BYTES + directories * LEVEL_BYTES + more
    if (bytes < MIN_STEP_BYTES) return true
    return memory.heapHasRoomFor(bytes) && memory.hasRoomFor(directories * LEVEL_BYTES)
  }
  if (directories <= limit && hasRoom()) return
  // Most keys share their directories.
  directories = countDirectories(eachKey, limit)
  if (directories > limit) {
    throw new CommandError(
      `ERR too many directories on the way to the keys of one request (the limit is ${limit})`,
    )
  }
  if (!hasRoom()) {
    throw noRoom()
  }
}

/** Counts each directory on the way to a key once. @param limit where it stops counting */
function countDirectories(eachKey: EachKey, limit: number): number {
  const counted = new PathTree<true>()
  let count = 0
  let last = ''
  eachKey((key) => {
    const end = key.lastIndexOf('/')
    if (count > limit || end <= 0) return
    const directory = key.slice(0, end)
    if (directory === last) return
    last = directory
    const path = cleanPath(directory)
    const place = counted.at(path)
    if (place.item === true || place.parent === null) return
    place.item = true
    // A place that was made above others adds nothing: its directories are on their way.
    if (place.children !== null) return
    count += slashesIn(path, place.parent.path.length === 1 ? 0 : place.parent.path.length)
  })
  return count
}

/** @param start where in the text the search begins */
function slashesIn(text: string, start: number): number {
  let count = 0
  for (let at = text.indexOf('/', start); at !== -1; at = text.indexOf('/', at + 1)) count++
  return count
}
