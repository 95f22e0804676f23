import type { Client } from './client.ts'

/**
 * Replies when a promise has settled; blocks the client until then.
 *
 * @param onDone writes the reply, if the promise is fulfilled
 * @param prefix text before the reason in the error reply, if the promise is rejected
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
