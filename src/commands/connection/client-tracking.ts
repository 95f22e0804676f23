import { CommandError, syntaxError } from '../../request/arguments/errors.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'

const NO_TRACKING =
  'ERR client-side caching is not supported; a tree channel tells what has changed: SUBSCRIBE /path?recursive=true'

/** CLIENT TRACKING. @throws CommandError for ON, because there is no client-side caching */
export function setTracking({ reply }: Client, args: readonly string[]): void {
  const mode = tokenOf(args[2])
  if (mode === 'ON') throw new CommandError(NO_TRACKING)
  if (mode !== 'OFF' || args.length > 3) throw syntaxError()
  reply.ok()
}

/** CLIENT TRACKINGINFO: tracking is off. */
export function replyTrackingInfo({ reply }: Client): void {
  reply.map(3)
  reply.bulk('flags')
  reply.set(1)
  reply.bulk('off')
  reply.bulk('redirect')
  reply.integer(-1)
  reply.bulk('prefixes')
  reply.array(0)
}
