import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
export const collectGarbage = runInNewContext('gc') as () => void

/** What the process keeps alive in the heap and beside it, in bytes. */
export function usedMemory(): number {
  collectGarbage()
  // The memory of Buffers is given back on another thread, which the next collection waits for.
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
