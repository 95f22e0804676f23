import { expect, test, vi } from 'vitest'
import { JsonValue } from '../../src/store/json-value.ts'
import { jsonBytes, jsonLength } from '../../src/text/json-bytes.ts'

const expected = (text: Buffer): string => JSON.stringify(text.toString('latin1')).slice(1, -1)

test('each byte is written as JSON.stringify writes it', () => {
  for (let byte = 0; byte < 256; byte++) {
    const text = Buffer.from([97, byte, 98])
    expect(jsonBytes(text).toString('latin1')).toBe(expected(text))
    expect(jsonLength(text)).toBe(expected(text).length)
  }
})

test('text without anything to escape is not copied', () => {
  const text = Buffer.from('plain ü'.repeat(100))
  expect(jsonBytes(text)).toBe(text)
})

test('the length of a large value is counted without writing it', () => {
  const value = Buffer.alloc(1_000_000, '\x01"\n\\ab')
  const stringify = vi.spyOn(JSON, 'stringify')
  const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow')
  const json = new JsonValue(value)
  const { length } = json
  expect(stringify).toHaveBeenCalledTimes(0)
  expect(allocate).toHaveBeenCalledTimes(0)
  vi.restoreAllMocks()
  expect(length).toBe(expected(value).length + 2)
  expect(Buffer.concat([...json]).toString('latin1')).toBe(`"${expected(value)}"`)
})
