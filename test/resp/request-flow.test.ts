import { describe, expect, test } from 'vitest'
import { frame, RequestRecorder } from './request-recorder.ts'

const multibulk = 'Protocol error: unauthenticated multibulk length'
const bulk = 'Protocol error: unauthenticated bulk length'
const eleven = Array.from({ length: 11 }, (_, n) => `${n}`)

/** A reader whose connection is authenticated by AUTH, until RESET. */
function unauthenticated(): RequestRecorder {
  const recorder = new RequestRecorder()
  recorder.reader.unauthenticated = true
  recorder.onRequest = ([name]) => {
    if (name === 'AUTH') recorder.reader.unauthenticated = false
    if (name === 'RESET') recorder.reader.unauthenticated = true
  }
  return recorder
}

describe('before authentication', () => {
  test('10 arguments of 16384 bytes pass, more are refused', () => {
    expect(unauthenticated().push(frame(...eleven.slice(1))).told).toEqual([eleven.slice(1)])
    expect(unauthenticated().push(frame(...eleven)).told).toEqual([multibulk])
    const long = 'x'.repeat(16384)
    expect(unauthenticated().push(frame(long)).told).toEqual([[long]])
    expect(unauthenticated().push(frame(`${long}x`)).told).toEqual([bulk])
    expect(unauthenticated().push(frame('a', 'b') + frame(...eleven)).told).toEqual([
      ['a', 'b'],
      multibulk,
    ])
  })

  test('the general limits are checked first', () => {
    expect(unauthenticated().push('*1048577\r\n').told).toEqual([
      'Protocol error: invalid multibulk length',
    ])
    expect(unauthenticated().push('*1\r\n$536870913\r\n').told).toEqual([
      'Protocol error: invalid bulk length',
    ])
  })

  test('inline requests are not limited', () => {
    expect(unauthenticated().push(`${eleven.join(' ')}\r\n`).told).toEqual([eleven])
  })

  test.each([1, 10, 100, 1e6])(
    'AUTH lifts the limits for the next frame, in chunks of %i',
    (length) => {
      const long = 'x'.repeat(16385)
      const auth = [frame('AUTH', 'x'), 'AUTH x\r\n']
      for (const how of auth) {
        const recorder = unauthenticated().push(how + frame(...eleven) + frame(long), length)
        expect(recorder.told).toEqual([['AUTH', 'x'], eleven, [long]])
      }
    },
  )

  test.each([1, 10, 100, 1e6])('RESET restores the limits, in chunks of %i', (length) => {
    for (const reset of [frame('RESET'), 'RESET\r\n']) {
      const start = frame('AUTH') + frame('b') + reset
      const told = [['AUTH'], ['b'], ['RESET']]
      expect(unauthenticated().push(start + frame('c') + frame(...eleven), length).told).toEqual([
        ...told,
        ['c'],
        multibulk,
      ])
      const again = `${start}*0\r\n${frame('AUTH')}${frame(...eleven)}d "e"\r\n`
      expect(unauthenticated().push(again, length).told).toEqual([
        ...told,
        ['AUTH'],
        eleven,
        ['d', 'e'],
      ])
    }
  })

  test('RESET restores the limits for an incomplete frame, and before a later error', () => {
    const recorder = unauthenticated().push(`${frame('AUTH') + frame('RESET')}*11\r\n$1\r\n`)
    expect(recorder.told).toEqual([['AUTH'], ['RESET'], multibulk])
    const other = unauthenticated().push(
      `${frame('AUTH') + frame('RESET') + frame(...eleven)}*x\r\n`,
    )
    expect(other.told).toEqual([['AUTH'], ['RESET'], multibulk])
  })

  test('RESET makes the reader forget an error that it found under the former limits', () => {
    const recorder = unauthenticated()
    recorder.limits.maxArguments = 2
    const obey = recorder.onRequest
    recorder.onRequest = (args) => {
      obey(args)
      if (args[0] === 'RESET') recorder.limits.maxArguments = 3
    }
    recorder
      .push(`${frame('AUTH') + frame('RESET') + frame('a', 'b', 'c')}*1`)
      .push('\r\n$1\r\nd\r\n')
    expect(recorder.told).toEqual([['AUTH'], ['RESET'], ['a', 'b', 'c'], ['d']])
  })

  test('RESET and AUTH, 500 times in turn', () => {
    const input = (frame('AUTH') + frame(...eleven) + frame('RESET') + frame('b')).repeat(500)
    const turn = [['AUTH'], eleven, ['RESET'], ['b']]
    expect(unauthenticated().push(input).told).toEqual(Array(500).fill(turn).flat())
  })

  test('RESET just before a frame cut in two', () => {
    const start = frame('AUTH') + frame('RESET')
    const input = start + frame('c', 'd') + frame('e')
    for (let cut = 1; cut < input.length; cut++) {
      const recorder = unauthenticated().push(input.slice(0, cut)).push(input.slice(cut))
      expect(recorder.told).toEqual([['AUTH'], ['RESET'], ['c', 'd'], ['e']])
      expect(recorder.reader.bufferedBytes).toBe(0)
    }
  })

  test('authentication lost while paused', () => {
    const recorder = new RequestRecorder()
    recorder.onRequest = () => recorder.reader.pause()
    recorder.push(`${frame('a') + frame('b') + frame(...eleven)}*x`)
    recorder.reader.unauthenticated = true
    recorder.push('\r\n')
    recorder.reader.resume()
    recorder.reader.resume()
    expect(recorder.told).toEqual([['a'], ['b'], multibulk])
  })
})

describe('pause and resume', () => {
  const input = `${frame('a') + frame('b')}c\r\n*0\r\n${frame('d')}*x\r\n${frame('never')}`
  const all = [['a'], ['b'], ['c'], ['d'], 'Protocol error: invalid multibulk length']

  test.each([1, 2, 9, 1e6])('each resume delivers one request, in chunks of %i', (chunkLength) => {
    const recorder = new RequestRecorder()
    recorder.onRequest = () => recorder.reader.pause()
    recorder.push(input, chunkLength)
    for (let count = 1; count <= all.length; count++) {
      expect(recorder.told).toEqual(all.slice(0, count))
      recorder.reader.resume()
    }
    expect(recorder.told).toEqual(all)
  })

  test('bufferedBytes counts bytes that are not delivered', () => {
    const recorder = new RequestRecorder()
    recorder.onRequest = () => recorder.reader.pause()
    recorder.push(frame('a') + frame('b') + frame('c'))
    expect(recorder.reader.bufferedBytes).toBe(2 * frame('a').length)
    recorder.push('*1\r\n')
    expect(recorder.reader.bufferedBytes).toBe(2 * frame('a').length + 4)
    recorder.reader.resume()
    recorder.reader.resume()
    expect(recorder.reader.bufferedBytes).toBe(4)
    recorder.reader.resume()
    expect(recorder.reader.bufferedBytes).toBe(4)
    recorder.push('$1\r\nd\r\n')
    expect(recorder.told).toEqual([['a'], ['b'], ['c'], ['d']])
    expect(recorder.reader.bufferedBytes).toBe(0)
  })

  test('paused before any input', () => {
    const recorder = new RequestRecorder()
    recorder.reader.pause()
    recorder.push(input, 3)
    expect(recorder.told).toEqual([])
    expect(recorder.reader.bufferedBytes).toBe(input.length)
    recorder.reader.resume()
    expect(recorder.told).toEqual(all)
  })

  test('resume and push from within onRequest keep the order', () => {
    const recorder = new RequestRecorder()
    recorder.onRequest = ([name]) => {
      recorder.reader.pause()
      if (name === 'a') recorder.push(frame('pushed'))
      recorder.reader.resume()
    }
    recorder.push(frame('a') + frame('b'))
    expect(recorder.told).toEqual([['a'], ['b'], ['pushed']])
  })

  test('push from within onRequest, when a part of the chunk is not yet walked', () => {
    const recorder = unauthenticated()
    recorder.onRequest = ([name]) => {
      if (name === 'a') recorder.push(frame('pushed'))
    }
    recorder.push(frame('a') + frame('b'))
    expect(recorder.told).toEqual([['a'], ['b'], ['pushed']])
  })

  test('100 000 requests that each pause and resume do not pile up on the stack', () => {
    const recorder = new RequestRecorder()
    recorder.onRequest = () => {
      recorder.reader.pause()
      recorder.reader.resume()
    }
    expect(recorder.push('a\n'.repeat(100_000)).told).toHaveLength(100_000)
  })

  test('large and small chunks keep their order while paused', () => {
    const recorder = new RequestRecorder()
    recorder.reader.pause()
    const requests = Array.from({ length: 12 }, (_, n) => [`${n}`, 'x'.repeat(n % 3 ? 10 : 20_000)])
    for (const args of requests) recorder.push(frame(...args))
    recorder.reader.resume()
    expect(recorder.told).toEqual(requests)
  })

  test('an error thrown by the handler loses no later request', () => {
    const recorder = new RequestRecorder()
    recorder.onRequest = ([name]) => {
      if (name === 'b') throw new Error('handler')
    }
    expect(() => recorder.push(frame('a') + frame('b') + frame('c'))).toThrow('handler')
    recorder.push(frame('d'))
    expect(recorder.told).toEqual([['a'], ['b'], ['c'], ['d']])
  })
})

describe('destroy', () => {
  test.each([1, 9, 1e6])('from within onRequest, in chunks of %i', (chunkLength) => {
    const recorder = new RequestRecorder()
    recorder.onRequest = ([name]) => {
      if (name === 'QUIT') recorder.reader.destroy()
    }
    recorder.push(`${frame('a') + frame('QUIT') + frame('b')}*x\r\n`, chunkLength)
    recorder.reader.resume()
    expect(recorder.told).toEqual([['a'], ['QUIT']])
    expect(recorder.reader.bufferedBytes).toBe(0)
  })

  test('while paused', () => {
    const recorder = new RequestRecorder()
    recorder.onRequest = () => recorder.reader.pause()
    recorder.push(frame('a') + frame('b'))
    recorder.reader.destroy()
    recorder.reader.resume()
    recorder.push(frame('c'))
    expect(recorder.told).toEqual([['a']])
  })
})
