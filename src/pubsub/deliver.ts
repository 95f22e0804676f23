import { LargeMessage, Message } from '../resp/message.ts'
import type { PassingMessage } from '../resp/passing-message.ts'
import type { Subscriber } from './subscriber.ts'

/**
 * Sends a message to clients. The pieces of a large message are made once, and each is sent to all
 * clients before the next is made. Clients whose output limit it would exceed are disconnected first.
 */
export function deliverTo(
  clients: Iterable<Subscriber>,
  message: Message | PassingMessage | LargeMessage,
): void {
  if (message instanceof LargeMessage) deliverInPieces(clients, message)
  else if (message instanceof Message)
    for (const client of clients) send(client, message.encoded(client.reply.protocol))
  else for (const client of clients) send(client, message)
}

function deliverInPieces(clients: Iterable<Subscriber>, message: LargeMessage): void {
  let readers = [...clients].filter((client) => client.mayGet(message.leastLength))
  if (readers.length === 0) return
  // Counting may mean encoding, so it comes second.
  readers = readers.filter((client) => client.mayGet(message.length))
  if (readers.length === 0) return
  for (const reader of readers) send(reader, message.start(reader.reply.protocol))
  for (const piece of message.rest()) for (const reader of readers) sendShared(reader, piece)
}

/**
 * Sends a message to a client. Never throws: a client that cannot be sent a message is disconnected,
 * because it would miss one.
 */
export function send(client: Subscriber, message: Uint8Array | PassingMessage): void {
  try {
    client.deliver(message)
  } catch (error) {
    client.fail(error)
  }
}

/** Like {@link send}, but without a copy, because the bytes never change. */
export function sendShared(client: Subscriber, bytes: Buffer): void {
  try {
    client.deliverShared(bytes)
  } catch (error) {
    client.fail(error)
  }
}
