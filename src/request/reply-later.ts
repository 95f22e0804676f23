import type { Client } from './client.ts'
import { guarded } from './guard.ts'

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
  promise.then(
    guarded(client, () => {
      onDone()
      resume()
    }),
    guarded(client, (error: unknown) => {
      client.reply.error(prefix + (error instanceof Error ? error.message : String(error)))
      resume()
    }),
  )
}
