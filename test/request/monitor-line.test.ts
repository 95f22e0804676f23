import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { monitorLine } from '../../src/request/monitor-line.ts'
import { ReplyWriter } from '../../src/resp/reply-writer.ts'
import { quoteWord } from '../../src/text/quoting.ts'
import { textOf } from '../resp/reply-text.ts'

/** The whole line, and its longest piece. */
function read(line: ReturnType<typeof monitorLine>): { text: string; longest: number } {
  if (typeof line !== 'function') return { text: line.toString('latin1'), longest: 0 }
  const source = line()
  let text = ''
  let longest = 0
  for (let more = true; more; ) {
    const writer = new ReplyWriter()
    more = source.next(writer)
    const piece = textOf(writer)
    longest = Math.max(longest, piece.length)
    text += piece
  }
  return { text, longest }
}

const word = fc
  .tuple(fc.uint8Array({ maxLength: 8 }), fc.constantFrom(0, 1, 2, 3000, 9000))
  .map(([bytes, times]) => Buffer.from(bytes).toString('latin1').repeat(times))

describe('a line of MONITOR', () => {
  test('quotes every argument but secrets, however long they are', () => {
    const words = fc.array(fc.option(word, { nil: undefined }), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(words, (shown) => {
        const quoted = shown.map((each) => (each === undefined ? '"(redacted)"' : quoteWord(each)))
        expect(
          read(monitorLine('1.0 [0 a:1]', shown)).text === `+1.0 [0 a:1] ${quoted.join(' ')}\r\n`,
        ).toBe(true)
      }),
    )
  })

  test('is made in pieces of bounded length', () => {
    const { text, longest } = read(monitorLine('', ['SET', '\x01'.repeat(2_000_000)]))
    expect(text.length).toBeGreaterThan(8_000_000)
    expect(longest).toBeLessThan(100_000)
  })

  test('is made for each monitor anew', () => {
    const line = monitorLine('', ['SET', 'x'.repeat(20_000)])
    expect(read(line).text).toBe(read(line).text)
  })
})
