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

test('of what an error discards, the messages come behind the reply, in order', () => {
  const step = fc.oneof(
    fc.record({ message: fc.integer({ min: 1, max: 3000 }) }),
    fc.record({ reply: fc.integer({ min: 1, max: 50 }) }),
    fc.record({ back: fc.nat(5) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { messages, reply } = start()
      let written: { isMessage: boolean; bytes: Buffer }[] = []
      const discarded: Buffer[] = []
      // Those of several errors in a row are found at once.
      let gone: Buffer[] = []
      const length = (): number => written.reduce((sum, { bytes }) => sum + bytes.length, 0)
      for (const [i, given] of steps.entries()) {
        if ('back' in given) {
          const kept = Math.max(0, written.length - given.back)
          const cut = written.slice(kept).filter(({ isMessage }) => isMessage)
          gone = [...cut.map(({ bytes }) => bytes), ...gone]
          written = written.slice(0, kept)
          reply.rewind(length())
          continue
        }
        const isMessage = 'message' in given
        const bytes = Buffer.alloc(isMessage ? given.message : given.reply, i + 1)
        if (isMessage) {
          messages.deliver(bytes)
          discarded.push(...gone)
          gone = []
        } else reply.append(bytes)
        written.push({ isMessage, bytes })
      }
      messages.afterCommand()
      const whole = [...written.map(({ bytes }) => bytes), ...discarded, ...gone]
      expect(reply.bytes.equals(Buffer.concat(whole))).toBe(true)
    }),
    { numRuns: 1000 },
  )
})

test('messages that its own request brings a client are checked against its limit as they are made', () => {
  const reply = new ReplyWriter()
  let checks = 0
  const mayGet = (length: number): boolean => {
    checks++
    expect(length).toBe(0)
    return true
  }
  const messages = new OwnMessages(reply, { mayGet, disconnect() {} })
  for (let i = 0; i < 100; i++) messages.deliver(Buffer.alloc(100_000))
  expect(checks).toBeGreaterThan(30)
  messages.afterCommand()
  for (let i = 0; i < 2; i++) messages.deliver(Buffer.alloc(100_000))
  expect(checks).toBeLessThan(40)
})

test('a client is disconnected at its limit, and at 64 MB without one', () => {
  const limited = start(MB)
  for (let i = 0; i < 20_000; i++) limited.messages.defer(Buffer.alloc(100))
  expect(limited.reasons[0]).toBe('limit')
  const free = start()
  for (let i = 0; i < 65; i++) free.messages.defer(Buffer.alloc(MB))
  expect(free.reasons).toEqual(['its own EXEC has brought it more than 67108864 bytes of messages'])
})
