import { copyBound, type Find, takenByExec } from '../request/copy-bounds.ts'
import { movedTime } from '../request/moved-time.ts'
import { mostNodes } from '../request/tree-room.ts'
import type { Store } from '../store/store.ts'
import type { LogGateParts } from './log-gate.ts'

type Sizes = Pick<
  LogGateParts,
  'takes' | 'takesExec' | 'copyBound' | 'movedTime' | 'mostNodes' | 'heapLimit'
>

/**
 * How much requests take on their way to the log, how long those that move directories take, and how large what they find may be by then.
 *
 * @param heapLimit of the process, in bytes
 */
export function requestSizes(find: Find, store: Store, heapLimit: number): Sizes {
  return {
    takes: (args) => find(args)?.takes(args, store) ?? 0,
    takesExec: (transaction) => takenByExec(transaction, find, store),
    copyBound: (args) => copyBound(find(args), args, store),
    movedTime: (args) => movedTime(find(args), args, store),
    mostNodes: (requests) => mostNodes(requests, find, store, heapLimit),
    heapLimit,
  }
}
