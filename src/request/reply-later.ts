import type { Client } from './client.ts'

/**
 * Replies when a promise has settled; the client's further requests wait until then.
 *
 * @param onDone writes the reply
 * @param prefix stands before the reason in the error reply
 */
export function replyLater(
  client: Client,
  promise: Promise<void>,
  onDone: () => void,
  prefix = 'ERR ',
): void {
  const resume = client.block(() => {})
  const fail = (error: unknown): void =>
    client.reply.error(prefix + (error instanceof Error ? error.message : String(error)))
  promise.then(onDone, fail).finally(resume).catch(fail)
}
