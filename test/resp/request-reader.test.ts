import { describe, expect, test } from 'vitest'
import { allBytes, frame, RequestRecorder, read } from './request-recorder.ts'

describe('requests', () => {
  test('a frame in one chunk', () => {
    expect(read(frame('KSET', '/a', 'b'))).toEqual([['KSET', '/a', 'b']])
  })

  test('a frame cut in two at every byte', () => {
    const input = frame('KSET', '/a', '', 'x'.repeat(120), '\r\n*1\r\n$1\r\n')
    const whole = read(input)
    for (let cut = 1; cut < input.length; cut++) {
      const recorder = new RequestRecorder()
      recorder.push(input.slice(0, cut))
      expect(recorder.told).toEqual([])
      expect(recorder.reader.bufferedBytes).toBe(cut)
      recorder.push(input.slice(cut))
      expect(recorder.told).toEqual(whole)
      expect(recorder.reader.bufferedBytes).toBe(0)
    }
  })

  test('a frame cut in three at every two bytes', () => {
    const input = frame('a', '', '12345678901')
    const whole = read(input)
    for (let first = 1; first < input.length; first++) {
      for (let second = first + 1; second < input.length; second++) {
        const recorder = new RequestRecorder()
        recorder.push(input.slice(0, first)).push(input.slice(first, second))
        expect(recorder.push(input.slice(second)).told).toEqual(whole)
      }
    }
  })

  test('1000 frames in one chunk, with the beginning of another', () => {
    const requests = Array.from({ length: 1000 }, (_, n) => ['KGET', `/key/${n}`, 'é'])
    const recorder = new RequestRecorder()
    recorder.push(`${requests.map((args) => frame(...args)).join('')}*1\r\n$4`)
    expect(recorder.told).toEqual(requests)
    expect(recorder.reader.bufferedBytes).toBe(6)
  })

  test('one chunk with more frames than are parsed at once', () => {
    const requests = Array.from({ length: 100 }, (_, n) => [`${n}`, 'x'.repeat(5000)])
    expect(read(requests.map((args) => frame(...args)).join(''))).toEqual(requests)
  })

  test.each([1, 7, 1000])('all 256 bytes, in chunks of %i', (chunkLength) => {
    expect(read(frame('x', allBytes, `${allBytes}\xc3\xa9`), {}, chunkLength)).toEqual([
      ['x', allBytes, `${allBytes}\xc3\xa9`],
    ])
  })

  test('a bulk of 3 MB in chunks of 64 KB', () => {
    const value = allBytes.repeat(12 * 1024)
    const recorder = new RequestRecorder().push(frame('KSET', '/a', value), 65536)
    expect(recorder.told).toHaveLength(1)
    expect(recorder.told[0][2] === value).toBe(true)
  })

  test('the two bytes after a bulk and the byte after \\r may be any', () => {
    expect(read('*1\rX$2\rYabZZ*1\r\n$1\r\ncZZ')).toEqual([['ab'], ['c']])
  })

  test.each(['*0\r\n', '*-1\r\n', '*-5\r\n', '*-9223372036854775808\r\n', '\r\n', '\n', ' \t\r\n'])(
    '%j is skipped',
    (nothing) => {
      for (const chunkLength of [1, 2, 100]) {
        const recorder = new RequestRecorder()
        recorder.push(`${nothing + frame('a') + nothing + nothing}b\r\n${nothing}`, chunkLength)
        expect(recorder.told).toEqual([['a'], ['b']])
        expect(recorder.reader.bufferedBytes).toBe(0)
      }
    },
  )

  test('inline requests and frames in turn', () => {
    expect(read(`a b\r\n${frame('c')}d\n${frame('e')}${frame('f')}`)).toEqual([
      ['a', 'b'],
      ['c'],
      ['d'],
      ['e'],
      ['f'],
    ])
  })

  test('a NUL byte hides the end of an inline request, as in Redis', () => {
    const recorder = new RequestRecorder({ maxInlineLength: 20 }).push('a\0b\r\nc\r\n')
    expect(recorder.told).toEqual([])
    recorder.push('x'.repeat(20), 1)
    expect(recorder.told).toEqual(['Protocol error: too big inline request'])
  })

  test('a header line of only \\r, at the end of a chunk', () => {
    const recorder = new RequestRecorder().push('*1\r\n\r').push('$1\r\na\r\n')
    expect(recorder.told).toEqual(["Protocol error: expected '$', got '\r'"])
  })

  test('an empty chunk', () => {
    expect(read('')).toEqual([])
    const recorder = new RequestRecorder()
    recorder.reader.push(Buffer.alloc(0))
    expect(recorder.told).toEqual([])
  })
})

describe('protocol errors', () => {
  const multibulk = 'Protocol error: invalid multibulk length'
  const bulk = 'Protocol error: invalid bulk length'
  // Redis 7.0.15 answers each of these inputs with this error.
  const cases: [input: string, error: string][] = [
    ['*\r\n', multibulk],
    ['*a\r\n', multibulk],
    ['*-\r\n', multibulk],
    ['*-0\r\n', multibulk],
    ['*+1\r\n', multibulk],
    ['*01\r\n', multibulk],
    ['*00\r\n', multibulk],
    ['* 1\r\n', multibulk],
    ['*1 \r\n', multibulk],
    ['*1\n$1\r\n', multibulk],
    ['*2147483648\r\n', multibulk],
    ['*99999999999999999999\r\n', multibulk],
    ['*-9223372036854775809\r\n', multibulk],
    [`*${'1'.repeat(70)}\r\n`, multibulk],
    ['*1\r\n$\r\n', bulk],
    ['*1\r\n$-1\r\n', bulk],
    ['*1\r\n$01\r\n', bulk],
    ['*1\r\n$x\r\n', bulk],
    ['*1\r\n$536870913\r\n', bulk],
    ['*1\r\nPING\r\n', "Protocol error: expected '$', got 'P'"],
    ['*1\r\n:1\r\n', "Protocol error: expected '$', got ':'"],
    ['*1\r\n\xff\r\n', "Protocol error: expected '$', got '\xff'"],
    ['*1\r\n\r\n', "Protocol error: expected '$', got '\r'"],
    ['*1\r\n\r$1\r\n', "Protocol error: expected '$', got '\r'"],
    [`*${'1'.repeat(65536)}`, 'Protocol error: too big mbulk count string'],
    [`*1\r\n$${'1'.repeat(65536)}`, 'Protocol error: too big bulk count string'],
    ['a'.repeat(65537), 'Protocol error: too big inline request'],
    ['\0'.repeat(65537), 'Protocol error: too big inline request'],
    [`*${'\0'.repeat(65536)}`, 'Protocol error: too big mbulk count string'],
    ['a "b\r\n', 'Protocol error: unbalanced quotes in request'],
    ['a "b"c\r\n', 'Protocol error: unbalanced quotes in request'],
  ]
  const named = cases.map(([input, error]) => [JSON.stringify(input).slice(0, 40), input, error])

  test.each(named)('%s', (_name, input, error) => {
    for (const chunkLength of [1, 2, 3, 1e6]) {
      expect(read(input, {}, chunkLength)).toEqual([error])
    }
  })

  test.each(named)(
    '%s is reported after whole requests, and ends the input',
    (_name, input, error) => {
      const before = frame('a') + frame('b', '\xff')
      for (const chunkLength of [5, 1e6]) {
        const recorder = new RequestRecorder().push(before + input + frame('c'), chunkLength)
        recorder.push(frame('d'))
        expect(recorder.told).toEqual([['a'], ['b', '\xff'], error])
        expect(recorder.reader.bufferedBytes).toBe(0)
      }
    },
  )

  test.each([
    '*1\r\nPING',
    '*1\r\nPING\r',
    '*1',
    '*1\r',
    `*${'1'.repeat(65535)}`,
    'a'.repeat(65536),
  ])('a line is not judged before it is complete: case %#', (input) => {
    expect(read(input)).toEqual([])
    expect(read(input, {}, 1)).toEqual([])
  })
})

describe('limits', () => {
  test('are exact, and a change applies at once', () => {
    const recorder = new RequestRecorder({ maxBulkLength: 3, maxArguments: 2 })
    recorder.push(frame('abc', 'def'))
    recorder.limits.maxBulkLength = 4
    recorder.limits.maxArguments = 3
    recorder.push(frame('abcd', 'b', 'c'))
    recorder.limits.maxBulkLength = 3
    recorder.push(frame('abcd'))
    expect(recorder.told).toEqual([
      ['abc', 'def'],
      ['abcd', 'b', 'c'],
      'Protocol error: invalid bulk length',
    ])
    expect(read(frame('a', 'b', 'c'), { maxArguments: 2 })).toEqual([
      'Protocol error: invalid multibulk length',
    ])
  })

  test('1024 * 1024 arguments are allowed by default', () => {
    expect(read('*1048576\r\n')).toEqual([])
    expect(read('*1048577\r\n')).toEqual(['Protocol error: invalid multibulk length'])
  })

  test('a bulk longer than the longest string is refused', () => {
    const limits = { maxBulkLength: Number.MAX_SAFE_INTEGER }
    expect(read('*1\r\n$9007199254740991\r\n', limits)).toEqual([
      'Protocol error: invalid bulk length',
    ])
  })

  test('an inline request as long as the limit passes, in chunks of any length', () => {
    for (const chunkLength of [1, 3, 100]) {
      expect(read('abcd\n', { maxInlineLength: 4 }, chunkLength)).toEqual([['abcd']])
      expect(read('abcde\n', { maxInlineLength: 4 }, chunkLength)).toEqual([
        'Protocol error: too big inline request',
      ])
    }
  })

  test('an incomplete request over maxFrameLength overflows', () => {
    const recorder = new RequestRecorder({ maxFrameLength: 20 })
    recorder.push(`${frame('whole', 'requests', 'do not count')}*1\r\n$90\r\n12345678901`)
    expect(recorder.reader.bufferedBytes).toBe(20)
    recorder.push('2')
    recorder.push(frame('ignored'))
    expect(recorder.told).toEqual([['whole', 'requests', 'do not count'], 'overflow'])
    expect(recorder.reader.bufferedBytes).toBe(0)
  })

  test('requests held by a pause overflow too', () => {
    const recorder = new RequestRecorder({ maxFrameLength: 2 * frame('a').length })
    recorder.reader.pause()
    recorder.push(frame('a')).push(frame('b'))
    expect(recorder.told).toEqual([])
    recorder.push(frame('c'))
    recorder.reader.resume()
    expect(recorder.told).toEqual(['overflow'])
  })

  test('a header that announces a large request allocates little', () => {
    const readers = Array.from({ length: 2000 }, () => new RequestRecorder())
    const before = process.memoryUsage()
    for (const recorder of readers) recorder.push('*1048576\r\n$500000000\r\nab')
    const after = process.memoryUsage()
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers
    expect(grown).toBeLessThan(16 * 1024 * 1024)
  })
})
