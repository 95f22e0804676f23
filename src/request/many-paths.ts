import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Store } from '../store/store.ts'
import type { Options } from './arguments/argument.ts'
import type { Client } from './client.ts'
import type { Command, Outcome } from './command.ts'

/** What runs a command: whether it takes Buffers is known from its declaration. */
export type Run = (client: Client, args: never, options: Options) => Outcome

/** Requests with fewer arguments, those of a transaction together, do not gain from remembering their paths. */
const MIN_MANY_ARGUMENTS = 1000

/** Requests with more arguments, those of a transaction together, leave it to others to remember dropped events. */
const MIN_LATER_ARGUMENTS = 8000

/** Has a command that takes many keys take less time in a request that has many. */
export function runOf({ run, keys }: Command): Run | undefined {
  if (run === undefined || keys?.[1] !== -1) return run as Run | undefined
  const runOne = run as Run
  return (client, args, options) => {
    const { length } = args as RequestArguments
    if (length < MIN_MANY_ARGUMENTS) return runOne(client, args, options)
    return withManyPaths(client.server.store, length, () => runOne(client, args, options))
  }
}

/** Has the requests of a transaction take less time, if there are many. */
export function withPathsOf(
  store: Store,
  requests: readonly RequestArguments[],
  run: () => void,
): void {
  let length = 0
  for (const args of requests) length += args.length
  if (length < MIN_MANY_ARGUMENTS) run()
  else withManyPaths(store, length, run)
}

/**
 * Ways to keys are remembered (known-ways.ts), and where there are very many, events that are dropped are remembered
 * later.
 *
 * @param length of the request or the transaction, in arguments
 */
function withManyPaths<Result>(store: Store, length: number, run: () => Result): Result {
  const { history } = store
  const isLater = length >= MIN_LATER_ARGUMENTS
  if (isLater) history.remembersLater = true
  try {
    return store.withManyPaths(run)
  } finally {
    if (isLater) history.remembersLater = false
  }
}
