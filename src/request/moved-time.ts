import { pathOfKey } from '../keyspace/key.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Store } from '../store/store.ts'
import { textOfValue } from '../store/value.ts'
import { TIME_OF } from './long-work.ts'
import type { PreparedCommand } from './prepared-command.ts'

/**
 * How long a request will take because it moves a directory, in milliseconds, about: 0 if it moves none.
 *
 * @returns undefined if it moves what is not there: what comes before it may still bring it there
 */
export function movedTime(
  prepared: PreparedCommand | undefined,
  args: RequestArguments,
  store: Store,
): number | undefined {
  if (prepared?.command.source !== 'moved' || args.length < 2) return 0
  try {
    const node = store.lookup(pathOfKey(textOfValue(args[1])))
    if (node === undefined) return undefined
    return node.dir ? node.nodes * TIME_OF.movedNode : 0
  } catch {
    // Its path is refused when it runs.
    return 0
  }
}
