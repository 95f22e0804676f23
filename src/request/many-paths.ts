import type { RequestArguments } from '../resp/request-arguments.ts'
import type { Store } from '../store/store.ts'
import type { Options } from './arguments/argument.ts'
import type { Client } from './client.ts'
import type { Command, Outcome } from './command.ts'

/** What runs a command: whether it takes Buffers is known from its declaration. */
export type Run = (client: Client, args: never, options: Options) => Outcome

/** Requests with fewer arguments, those of a transaction together, do not gain from remembering their paths. */
const MIN_MANY_ARGUMENTS = 1000

/** Has a command that takes many keys find them faster in a request that has many; see known-ways.ts. */
export function runOf({ run, keys }: Command): Run | undefined {
  if (run === undefined || keys?.[1] !== -1) return run as Run | undefined
  const runOne = run as Run
  return (client, args, options) => {
    if ((args as RequestArguments).length < MIN_MANY_ARGUMENTS) return runOne(client, args, options)
    return client.server.store.withManyPaths(() => runOne(client, args, options))
  }
}

/** Has the requests of a transaction find their keys faster, if there are many. */
export function withPathsOf(
  store: Store,
  requests: readonly RequestArguments[],
  run: () => void,
): void {
  let length = 0
  for (const args of requests) length += args.length
  if (length < MIN_MANY_ARGUMENTS) run()
  else store.withManyPaths(run)
}
