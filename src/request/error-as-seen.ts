import type { RequestArguments } from '../resp/request-arguments.ts'
import { StoreError } from '../store/errors.ts'
import { isBelow } from '../store/path.ts'
import type { Client } from './client.ts'
import { requestKeys } from './key-specs.ts'
import { cleanPathOfKey } from './permission.ts'
import type { PreparedCommand } from './prepared-command.ts'

/**
 * The error as its client may see it: of a path that its user may not read, which can only be one
 * above its own, it is not told; the client's own path stands for it.
 */
export function errorAsSeen(
  client: Client,
  { command }: PreparedCommand,
  args: RequestArguments,
  error: unknown,
): unknown {
  const { user } = client
  if (user.unrestricted || !(error instanceof StoreError) || !error.cause.startsWith('/')) {
    return error
  }
  const { code, cause, index } = error
  if (user.mayRead(cause)) return error
  const paths = requestKeys(command, args).map((key) => cleanPathOfKey(key) ?? '/')
  return new StoreError(code, paths.find((path) => isBelow(path, cause)) ?? paths[0] ?? '/', index)
}
