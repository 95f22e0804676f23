import type { RequestArguments } from '../resp/request-arguments.ts'
import type { ServerContext } from './client.ts'
import { checkGrowth, type EachKey } from './growth.ts'
import { madeKeys } from './key-specs.ts'
import type { PreparedCommand } from './prepared-command.ts'

/**
 * Refuses an EXEC whose requests would make too many nodes, or writes, before any of them runs.
 *
 * @throws CommandError, or what `Store.checkWrites` throws
 */
export function checkExecGrowth(
  { memory, store }: ServerContext,
  requests: readonly RequestArguments[],
  writes: boolean,
  find: (args: RequestArguments) => PreparedCommand,
): void {
  let length = 0
  let more = 0
  for (const args of requests) {
    length += args.length
    const { command, keeps } = find(args)
    more += (command.growth ?? 0) + (command.heapNeed?.(args) ?? 0) + (keeps?.(args) ?? 0)
  }
  if (writes) store.checkWrites(length)
  const eachKey: EachKey = (visit) => {
    for (const args of requests) madeKeys(find(args).command, args).forEach(visit)
  }
  checkGrowth(memory, length, eachKey, more)
}
