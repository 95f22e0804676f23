import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { InputWindow } from '../../src/resp/input-window.ts'
import { LARGE_VALUE_BYTES } from '../../src/store/value.ts'
import { frame, RequestRecorder, read } from './request-recorder.ts'

const L = LARGE_VALUE_BYTES

/** Arguments of a frame of 100 KB to some MB, with a few large ones in between. */
const argument = fc
  .oneof(
    { weight: 40, arbitrary: fc.nat(40) },
    { weight: 2, arbitrary: fc.constantFrom(L - 1, L, L + 1) },
  )
  .map((length) => String.fromCharCode(32 + ((length * 37) % 224)).repeat(length))

describe('a frame of many arguments', () => {
  test('is what was sent, wherever chunks are cut', () => {
    fc.assert(
      fc.property(
        fc.array(argument, { minLength: 3000, maxLength: 6000 }),
        fc.integer({ min: 500, max: 70_000 }),
        (args, chunk) => {
          const requests = [['DEL', ...args], ['PING'], ['DEL', ...args.slice(0, 2000)]]
          const input = requests.map((request) => frame(...request)).join('')
          expect(read(input, {}, chunk)).toEqual(requests)
        },
      ),
      { numRuns: 30 },
    )
  })

  test('is parsed as it arrives, and what that takes is counted', () => {
    const recorder = new RequestRecorder()
    const input = frame('DEL', ...Array.from({ length: 100_000 }, (_, i) => `key:${i}`))
    recorder.push(input.slice(0, -1), 65_536)
    expect(recorder.told).toEqual([])
    expect(recorder.reader.bufferedBytes).toBeGreaterThan(input.length + 95_000 * 24)
    recorder.push(input.slice(-1))
    expect(recorder.told).toHaveLength(1)
    expect(recorder.reader.bufferedBytes).toBe(0)
  })

  test('ends with the connection, and with a broken argument', () => {
    const start = frame('DEL', ...Array.from({ length: 10_000 }, (_, i) => `key:${i}`))
    const many = `*20000\r\n${start.slice(start.indexOf('\r\n') + 2)}`
    expect(read(`${many}:1\r\n`, {}, 60_000)).toEqual(["Protocol error: expected '$', got ':'"])
    const recorder = new RequestRecorder({ maxFrameLength: 100_000 })
    expect(recorder.push(many, 60_000).told).toEqual(['overflow'])
    expect(recorder.reader.bufferedBytes).toBe(0)
  })
})

test.each([
  ['in the command', (long: string) => [long]],
  ['in the command, before others', (long: string) => [long, 'a', long.slice(0, 100)]],
  ['in a key', (long: string) => ['GET', long]],
])('an argument that is longer than what is parsed at once, %s, is what was sent', (_, make) => {
  for (const length of [8_191, 32_760, 33_000, 70_000, 300_000]) {
    const requests = [make('x'.repeat(length)), ['PING'], make('\r\n$'.repeat(length / 3))]
    const input = requests.map((request) => frame(...request)).join('')
    for (const chunk of [1_000, 32_768, 65_536]) expect(read(input, {}, chunk)).toEqual(requests)
  }
})

test('an argument that comes in many chunks is not looked at again with each', () => {
  const join = vi.spyOn(InputWindow.prototype, 'joinHead')
  const input = frame('x'.repeat(4_000_000), 'y')
  expect(read(input, {}, 10_000)).toHaveLength(1)
  const bytes = join.mock.results.reduce((sum, { value }) => sum + (value as Buffer).length, 0)
  expect(bytes).toBeLessThan(3 * input.length)
  join.mockRestore()
})

test('an inline request in pieces, or a line that is not a header, is not taken for arguments', () => {
  const inline = `PING 1\r2${'x'.repeat(60_000)}\r\n`
  expect(read(inline, {}, 33_000)).toEqual(read(inline))
  expect(read(`*${'1'.repeat(70_000)}`, {}, 33_000)).toEqual([
    'Protocol error: too big mbulk count string',
  ])
})
