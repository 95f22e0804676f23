import { type MemoryGauge, MIN_STEP_BYTES } from '../metrics/memory-gauge.ts'
import { CommandError } from './arguments/errors.ts'

/** The refusal of a request that needs more memory than there is. */
export function noRoom(): CommandError {
  return new CommandError(
    "OOM command not allowed when it needs more memory than 'maxmemory' or the process's heap has left.",
  )
}

/**
 * Refuses a request that reads much, because V8 ends the process when its heap is full.
 *
 * @param bytes of the heap that it may take
 * @throws CommandError
 */
export function checkRoomToRead(memory: MemoryGauge, bytes: number): void {
  if (bytes >= MIN_STEP_BYTES && !memory.heapHasRoomToRead(bytes)) throw noRoom()
}
