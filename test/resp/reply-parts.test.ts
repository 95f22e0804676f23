import { expect, test } from 'vitest'
import { bytesOfParts, type Part, partsBehind, ValuePart } from '../../src/resp/reply-parts.ts'
import type { ReplySource } from '../../src/resp/reply-writer.ts'

type Parts = Part<ReplySource>[]

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const joined = (parts: Parts): string => Buffer.concat(bytesOfParts(parts) ?? []).toString('latin1')

test('parts that are bytes go out together, and what is left of them goes on where they were cut', () => {
  const parts: Parts = [bytes('*2\r\n$5\r\n'), new ValuePart(bytes('value')), bytes('\r\n')]
  const whole = '*2\r\n$5\r\nvalue\r\n'
  expect(joined(parts)).toBe(whole)
  for (let count = 0; count <= whole.length; count++) {
    const rest = partsBehind(parts, count)
    expect(joined(rest)).toBe(whole.slice(count))
    expect(rest.every(({ length }) => length > 0)).toBe(true)
  }
  expect(joined(parts)).toBe(whole)
})

test('what is left of a value keeps at most twice its bytes', () => {
  const value = Buffer.alloc(300_000)
  for (const count of [0, 100_000, 200_000, 299_999]) {
    const [rest] = partsBehind([new ValuePart(value)], count) as [ValuePart]
    expect((rest.value as Buffer).buffer.byteLength).toBeLessThanOrEqual(2 * rest.length)
  }
})

test('text and long replies are not sent together', () => {
  expect(bytesOfParts([bytes('a'), new ValuePart('text')])).toBeUndefined()
  expect(bytesOfParts([bytes('a'), new ValuePart(Buffer.alloc(2 ** 20))])).toBeUndefined()
})
