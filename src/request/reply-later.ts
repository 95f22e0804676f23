import type { Client } from './client.ts'
import { guarded } from './guard.ts'

/**
 * Blocks a client until a reply comes that needs nobody else: the client may half-close meanwhile, and is still owed it.
 *
 * @param onGone called if the client leaves first
 * @returns lets it go on
 */
export function blockOwed(client: Client, onGone: () => void): () => void {
  let isOwed = true
  const settle = (): void => {
    if (isOwed) client.owed--
    isOwed = false
  }
  client.owed++
  const resume = client.block(() => {
    settle()
    onGone()
  })
  return () => {
    settle()
    resume()
  }
}

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
  const resume = blockOwed(client, () => {})
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
