import { expect, test } from 'vitest'
import { lasting, PassingMessage } from '../../src/resp/passing-message.ts'
import { encodeBulk } from '../../src/resp/reply-encoding.ts'
import { ReplyWriter } from '../../src/resp/reply-writer.ts'
import { textOf } from './reply-text.ts'

const long = 'n'.repeat(100_000)

test.each([
  [undefined, '/a', 'x'],
  [undefined, long, 'x'.repeat(300)],
  ['/*', '/a', ''],
  [long, long, 'x'.repeat(200_000)],
])('is the same when it is written as when it is kept', (pattern, channel, text) => {
  const message = new PassingMessage()
  for (const protocol of [2, 3] as const) {
    const reply = new ReplyWriter()
    reply.protocol = protocol
    reply.muted = true
    message.set(pattern, channel, Buffer.from(encodeBulk(text)))
    message.writeTo(reply)
    const kept = lasting(message, protocol)
    message.set(undefined, 'other', Buffer.from(encodeBulk('other')))
    const parts = pattern === undefined ? ['message'] : ['pmessage', pattern]
    const bulks = [...parts, channel, text].map(encodeBulk)
    const whole = `${protocol === 2 ? '*' : '>'}${bulks.length}\r\n${bulks.join('')}`
    expect(kept.toString('latin1')).toBe(whole)
    expect(textOf(reply)).toBe(whole)
  }
})
