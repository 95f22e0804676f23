import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultRequestLimits } from '../../src/resp/request-limits.ts'
import { RequestReader } from '../../src/resp/request-reader.ts'
import { LARGE_VALUE_BYTES, type Value } from '../../src/store/value.ts'
import { frame, RequestRecorder, read } from './request-recorder.ts'

const L = LARGE_VALUE_BYTES

/** The arguments as a reader gives them, which has got the chunks in memory that changes. */
function argumentsOf(chunks: readonly Buffer[]): (readonly Value[])[] {
  const requests: (readonly Value[])[] = []
  const reader = new RequestReader(
    {
      onRequest: (args) => requests.push(args),
      onBatch: () => {},
      onProtocolError: (message) => requests.push([message]),
      onOverflow: () => requests.push(['overflow']),
    },
    defaultRequestLimits,
  )
  for (const chunk of chunks) {
    const bytes = Buffer.from(chunk)
    reader.push(bytes)
    bytes.fill('!')
  }
  return requests
}

function cut(input: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (input.length + 1)))].sort((a, b) => a - b)
  return [0, ...ends].map((start, i) => input.subarray(start, ends[i] ?? input.length))
}

const argument = fc
  .oneof(fc.constantFrom(0, 1, 5, 20, L - 1, L, L + 1, 3 * L, 70_000), fc.nat(2 * L))
  .map((length) => String.fromCharCode(32 + (length % 200)).repeat(length))
const request = fc
  .tuple(fc.constantFrom('SET', 'x', 'M'.repeat(L + 1)), fc.array(argument, { maxLength: 5 }))
  .map(([name, args]) => [name, ...args])

describe('large arguments', () => {
  test('are Buffers of their own, all others strings, wherever chunks are cut', () => {
    fc.assert(
      fc.property(
        fc.array(request, { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 8 }),
        (requests, places) => {
          const input = Buffer.from(requests.map((args) => frame(...args)).join(''), 'latin1')
          const got = argumentsOf(cut(input, places))
          expect(got.length).toBe(requests.length)
          for (const [i, args] of got.entries()) {
            expect(args.length).toBe(requests[i].length)
            for (const [k, arg] of args.entries()) {
              expect(typeof arg === 'string').toBe(k === 0 || arg.length < L)
              if (typeof arg === 'string') expect(arg === requests[i][k]).toBe(true)
              else {
                expect(arg.toString('latin1') === requests[i][k]).toBe(true)
                expect(arg.buffer.byteLength).toBe(arg.length)
              }
            }
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  test('come whole when every byte comes alone, and when a cut falls anywhere in a header', () => {
    const input = frame('SET', 'k', 'v'.repeat(L), 'w'.repeat(L + 5)) + frame('GET', 'k')
    const whole = read(input)
    expect(whole).toHaveLength(2)
    expect(read(input, {}, 1)).toEqual(whole)
    const bytes = Buffer.from(input, 'latin1')
    for (let at = 1; at < 40; at++) {
      expect(argumentsOf([bytes.subarray(0, at), bytes.subarray(at)])).toHaveLength(2)
      const late = 40 + L + at
      expect(argumentsOf([bytes.subarray(0, late), bytes.subarray(late)])).toHaveLength(2)
    }
  })

  test('have more than 99 others beside them', () => {
    const args = [
      'MSET',
      ...Array.from({ length: 300 }, (_, i) => (i % 2 === 0 ? `k${i}` : 'v'.repeat(i * 60))),
    ]
    for (const chunk of [undefined, 1000, 65_536])
      expect(read(frame(...args), {}, chunk)).toEqual([args])
  })

  test('are values in inline requests too', () => {
    const [args] = argumentsOf([Buffer.from(`SET k ${'v'.repeat(L)}\r\n`)])
    expect(args.map((arg) => typeof arg)).toEqual(['string', 'string', 'object'])
  })

  test('take little memory when they are only announced', () => {
    const before = process.memoryUsage().arrayBuffers
    const readers = Array.from({ length: 100 }, () => {
      const recorder = new RequestRecorder()
      return recorder.push(
        `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${512 * 1024 * 1024}\r\n${'x'.repeat(1000)}`,
      )
    })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(150 * 1024 * 1024)
    expect(readers.every(({ told }) => told.length === 0)).toBe(true)
  })

  test('count as buffered input while they arrive', () => {
    const recorder = new RequestRecorder({ maxFrameLength: 100_000 })
    recorder.push(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n${'x'.repeat(50_000)}`)
    expect(recorder.reader.bufferedBytes).toBeGreaterThan(50_000)
    recorder.push('x'.repeat(60_000))
    expect(recorder.told).toEqual(['overflow'])
    expect(recorder.reader.bufferedBytes).toBe(0)
  })

  test('are refused over the limit, and before authentication', () => {
    const start = '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n'
    expect(read(`${start}$100001\r\n`, { maxBulkLength: 100_000 })).toEqual([
      'Protocol error: invalid bulk length',
    ])
    const recorder = new RequestRecorder()
    recorder.reader.unauthenticated = true
    recorder.push(frame('SET', 'k', 'v'.repeat(16_384))).push(`${start}$16385\r\n`)
    expect(recorder.told).toEqual([
      ['SET', 'k', 'v'.repeat(16_384)],
      'Protocol error: unauthenticated bulk length',
    ])
  })

  test('are read anew when a RESET before them has lowered the limits', () => {
    const recorder = new RequestRecorder()
    recorder.onRequest = ([name]) => {
      recorder.reader.unauthenticated = name === 'RESET'
    }
    recorder.push(frame('RESET') + frame('SET', 'k', 'v'.repeat(16_384)) + frame('GET', 'k'))
    expect(recorder.told).toEqual([['RESET'], ['SET', 'k', 'v'.repeat(16_384)], ['GET', 'k']])
    recorder.push(`${frame('RESET')}*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$20000\r\n${'v'.repeat(10_000)}`)
    expect(recorder.told.slice(3)).toEqual([
      ['RESET'],
      'Protocol error: unauthenticated bulk length',
    ])
  })
})
