import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ReplyWriter } from '../../src/resp/reply-writer.ts'
import { OwnMessages } from '../../src/server/own-messages.ts'
import { collectGarbage } from './memory.ts'

const MB = 1024 * 1024

/** The messages of a client that may get so many bytes. */
function start(limit = Number.POSITIVE_INFINITY) {
  const reply = new ReplyWriter()
  const reasons: string[] = []
  const messages = new OwnMessages(reply, {
    mayGet: (length) => {
      if (length > limit) reasons.push('limit')
      return length <= limit
    },
    disconnect: (reason) => void reasons.push(reason),
  })
  return { messages, reply, reasons }
}

test('messages of any length that are held back come whole and in order', () => {
  const lengths = fc.array(fc.oneof(fc.nat(50), fc.nat(3000)), { maxLength: 300 })
  fc.assert(
    fc.property(lengths, (all) => {
      const { messages, reply } = start()
      const expected = all.map((length, i) => Buffer.alloc(length, i))
      for (const message of expected) messages.defer(message)
      expect(reply.length).toBe(0)
      messages.afterCommand()
      const written = [...reply.parts.map((part) => part as Buffer), reply.bytes]
      expect(Buffer.concat(written).equals(Buffer.concat(expected))).toBe(true)
      expect(messages.some).toBe(false)
    }),
  )
})

test('short messages are not kept, only their bytes', async () => {
  const { messages } = start()
  const kept: WeakRef<Buffer>[] = []
  for (let i = 0; i < 10_000; i++) {
    const message = Buffer.alloc(40)
    kept.push(new WeakRef(message))
    messages.defer(message)
  }
  // What a WeakRef has been made of stays until the turn ends.
  await new Promise((resolve) => setImmediate(resolve))
  collectGarbage()
  expect(kept.filter((message) => message.deref() !== undefined).length).toBeLessThan(200)
  messages.afterCommand()
})

test('a client is disconnected at its limit, and at 64 MB without one', () => {
  const limited = start(MB)
  for (let i = 0; i < 20_000; i++) limited.messages.defer(Buffer.alloc(100))
  expect(limited.reasons[0]).toBe('limit')
  const free = start()
  for (let i = 0; i < 65; i++) free.messages.defer(Buffer.alloc(MB))
  expect(free.reasons).toEqual(['its own EXEC has brought it more than 67108864 bytes of messages'])
})
