import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  encodeArrayHeader,
  encodeBulk,
  encodeInteger,
  encodePushHeader,
} from '../../src/resp/reply-encoding.ts'
import { writeBulk, writeList } from '../../src/resp/reply-list.ts'
import { MIN_REFERENCED_BYTES, PIECE_BYTES, replaceRanges } from '../../src/resp/reply-parts.ts'
import { type ReplySource, ReplyWriter } from '../../src/resp/reply-writer.ts'
import { textOf, textOfParts } from './reply-text.ts'
import { allBytes } from './request-recorder.ts'

const text = fc
  .uint8Array({ maxLength: 3000, size: 'max' })
  .map((bytes) => Buffer.from(bytes).toString('latin1'))

type Write = (writer: ReplyWriter) => void

/** The bytes written in RESP2 and in RESP3. */
const cases: [what: string, write: Write, resp2: string, resp3?: string][] = [
  ['simple', (w) => w.simple('QUEUED'), '+QUEUED\r\n'],
  ['ok', (w) => w.ok(), '+OK\r\n'],
  ['bulk', (w) => w.bulk('abc'), '$3\r\nabc\r\n'],
  ['empty bulk', (w) => w.bulk(''), '$0\r\n\r\n'],
  ['all bytes', (w) => w.bulk(allBytes), `$256\r\n${allBytes}\r\n`],
  ['long bulk', (w) => w.bulk('x'.repeat(1024)), `$1024\r\n${'x'.repeat(1024)}\r\n`],
  ['bulkOrNull', (w) => w.bulkOrNull('a'), '$1\r\na\r\n'],
  ['bulkOrNull of the empty string', (w) => w.bulkOrNull(''), '$0\r\n\r\n'],
  ['bulkOrNull of null', (w) => w.bulkOrNull(null), '$-1\r\n', '_\r\n'],
  ['integer', (w) => w.integer(7), ':7\r\n'],
  ['zero', (w) => w.integer(0), ':0\r\n'],
  ['minus zero', (w) => w.integer(-0), ':0\r\n'],
  ['negative integer', (w) => w.integer(-1), ':-1\r\n'],
  ['integer beyond the table', (w) => w.integer(1024), ':1024\r\n'],
  ['largest safe integer', (w) => w.integer(2 ** 53 - 1), ':9007199254740991\r\n'],
  ['bigint', (w) => w.integer(2n ** 63n - 1n), ':9223372036854775807\r\n'],
  ['small bigint', (w) => w.integer(5n), ':5\r\n'],
  ['error', (w) => w.error('ERR syntax error'), '-ERR syntax error\r\n'],
  ['error with line ends', (w) => w.error('ERR a\r\nb\nc\r'), '-ERR a  b c \r\n'],
  ['null', (w) => w.null(), '$-1\r\n', '_\r\n'],
  ['nullArray', (w) => w.nullArray(), '*-1\r\n', '_\r\n'],
  ['array', (w) => w.array(2), '*2\r\n'],
  ['array beyond the table', (w) => w.array(5000), '*5000\r\n'],
  ['map', (w) => w.map(3), '*6\r\n', '%3\r\n'],
  ['set', (w) => w.set(3), '*3\r\n', '~3\r\n'],
  ['push', (w) => w.push(3), '*3\r\n', '>3\r\n'],
  ['true', (w) => w.boolean(true), ':1\r\n', '#t\r\n'],
  ['false', (w) => w.boolean(false), ':0\r\n', '#f\r\n'],
  ['double', (w) => w.double(1.5), '$3\r\n1.5\r\n', ',1.5\r\n'],
  ['minus zero double', (w) => w.double(-0), '$2\r\n-0\r\n', ',-0\r\n'],
  ['infinity', (w) => w.double(Number.POSITIVE_INFINITY), '$3\r\ninf\r\n', ',inf\r\n'],
  ['minus infinity', (w) => w.double(Number.NEGATIVE_INFINITY), '$4\r\n-inf\r\n', ',-inf\r\n'],
  ['nan', (w) => w.double(Number.NaN), '$3\r\nnan\r\n', ',nan\r\n'],
  ['verbatim', (w) => w.verbatim('txt', 'ab'), '$2\r\nab\r\n', '=6\r\ntxt:ab\r\n'],
  ['markdown', (w) => w.verbatim('mkd', ''), '$0\r\n\r\n', '=4\r\nmkd:\r\n'],
  [
    'bigNumber',
    (w) => w.bigNumber(2n ** 70n),
    '$22\r\n1180591620717411303424\r\n',
    '(1180591620717411303424\r\n',
  ],
  ['raw', (w) => w.raw('*0\r\n'), '*0\r\n'],
]

test.each(cases)('%s', (_what, write, resp2, resp3 = resp2) => {
  const writer = new ReplyWriter()
  write(writer)
  expect(textOf(writer)).toBe(resp2)
  writer.protocol = 3
  write(writer)
  expect(textOf(writer)).toBe(resp2 + resp3)
})

test.each(cases)('%s appends nothing while muted', (_what, write) => {
  const writer = new ReplyWriter()
  writer.ok()
  writer.muted = true
  write(writer)
  writer.protocol = 3
  write(writer)
  expect(textOf(writer)).toBe('+OK\r\n')
})

test('an error is not looked through while muted', () => {
  const writer = new ReplyWriter()
  const replace = vi.spyOn(String.prototype, 'replace')
  onTestFinished(() => replace.mockRestore())
  writer.muted = true
  writer.error('ERR a\r\nb')
  expect(replace).not.toHaveBeenCalled()
})

test.each(['clear', 'handOver'] as const)('%s empties the writer', (empty) => {
  const writer = new ReplyWriter()
  writer.array(1)
  writer.bulk('a')
  expect(textOf(writer)).toBe('*1\r\n$1\r\na\r\n')
  writer[empty]()
  expect(textOf(writer)).toBe('')
  writer.ok()
  expect(textOf(writer)).toBe('+OK\r\n')
})

test('bytes that have been handed over are not overwritten', () => {
  const writer = new ReplyWriter()
  writer.bulk('kept')
  const { bytes } = writer
  writer.handOver()
  writer.bulk('next')
  expect(bytes.toString('latin1')).toBe('$4\r\nkept\r\n')
})

test('rewind undoes the writes since', () => {
  const writer = new ReplyWriter()
  writer.ok()
  const { length } = writer
  writer.bulk('x'.repeat(100_000))
  writer.rewind(length)
  writer.integer(1)
  expect(textOf(writer)).toBe('+OK\r\n:1\r\n')
})

test('clear frees the memory for the next writer, handOver does not', () => {
  const [first, second, third] = [new ReplyWriter(), new ReplyWriter(), new ReplyWriter()]
  first.bulk('a')
  const { buffer } = first.bytes
  first.clear()
  second.bulk('b')
  expect(second.bytes.buffer).toBe(buffer)
  second.handOver()
  third.bulk('c')
  expect(third.bytes.buffer).not.toBe(buffer)
})

test('many writers, filled and emptied in turn, do not mix their bytes', () => {
  const turn = fc.tuple(fc.nat({ max: 3 }), fc.constantFrom('clear', 'handOver', 'bulk'), text)
  fc.assert(
    fc.property(fc.array(turn, { maxLength: 60 }), fc.constantFrom(1, 300), (turns, times) => {
      const writers = Array.from({ length: 4 }, () => new ReplyWriter())
      const expected = writers.map(() => '')
      for (const [i, what, value] of turns) {
        const long = value.repeat(times)
        if (what === 'bulk') writers[i].bulk(long)
        else writers[i][what]()
        expected[i] = what === 'bulk' ? `${expected[i]}$${long.length}\r\n${long}\r\n` : ''
        expect(writers.map(textOf)).toEqual(expected)
      }
    }),
  )
})

test('texts and numbers of any length', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(text, fc.maxSafeInteger(), fc.bigInt())), (values) => {
      const writer = new ReplyWriter()
      let expected = ''
      for (const value of values) {
        if (typeof value === 'string') {
          writer.bulk(value)
          expected += `$${value.length}\r\n${value}\r\n`
        } else {
          writer.integer(value)
          expected += `:${value}\r\n`
        }
      }
      expect(textOf(writer)).toBe(expected)
    }),
  )
})

test('the parts of a shared message, encoded as strings', () => {
  expect(encodePushHeader(3) + encodeBulk('message') + encodeInteger(1)).toBe(
    '>3\r\n$7\r\nmessage\r\n:1\r\n',
  )
  expect(encodeArrayHeader(3)).toBe('*3\r\n')
})

describe('long values and sources', () => {
  const long = 'v'.repeat(MIN_REFERENCED_BYTES)
  /** A source of `count` pieces. */
  const sourceOf = (name: string, count: number): ReplySource => {
    let made = 0
    return {
      weight: 0,
      next: (reply) => {
        if (made < count) reply.raw(`<${name}${made++}>`)
        return made < count
      },
    }
  }

  const nullSource: ReplySource = {
    weight: 0,
    next: (reply) => {
      reply.null()
      return false
    },
  }

  test('a long value is referred to, as a string and as bytes', () => {
    const writer = new ReplyWriter()
    const bytes = Buffer.from(long)
    writer.array(2)
    writer.bulk(long)
    writer.bulk(bytes)
    expect(textOf(writer)).toBe(
      `*2\r\n$${long.length}\r\n${long}\r\n$${long.length}\r\n${long}\r\n`,
    )
    // The tree has the bytes; the string has been made for the reply.
    expect(writer.ownLength).toBeGreaterThanOrEqual(writer.length - long.length)
    expect(writer.ownLength).toBeLessThan(writer.length - long.length + 1024)
    expect(writer.parts.some((part) => 'value' in part && part.value === bytes)).toBe(true)
    expect(writer.isPlain).toBe(false)
  })

  test('bytes of any length are a bulk string', () => {
    const writer = new ReplyWriter()
    for (const length of [0, 1, 100, MIN_REFERENCED_BYTES - 1, MIN_REFERENCED_BYTES]) {
      const start = writer.length
      writer.bulk(Buffer.alloc(length, 'x'))
      expect(textOf(writer)).toBe(`$${length}\r\n${'x'.repeat(length)}\r\n`)
      writer.rewind(start)
    }
  })

  test('a source is made where it was asked for, in its version of RESP', () => {
    const writer = new ReplyWriter()
    writer.ok()
    writer.produce(nullSource)
    writer.protocol = 3
    writer.produce(nullSource)
    writer.ok()
    expect(textOf(writer)).toBe('+OK\r\n$-1\r\n_\r\n+OK\r\n')
  })

  test('while muted, nothing is kept', () => {
    const writer = new ReplyWriter()
    writer.muted = true
    writer.bulk(long)
    writer.produce(sourceOf('s', 1))
    writeList(writer, ['a', long], writeBulk)
    expect(writer.length).toBe(0)
    expect(writer.isPlain).toBe(true)
  })

  test('rewind goes back to any length that the writer had, whatever stands before and after it', () => {
    const step = fc.oneof(
      fc.constant('long'),
      fc.constant('source'),
      fc.constant('rewind'),
      fc.integer({ min: 0, max: 3 * PIECE_BYTES }),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.nat()), { maxLength: 30 }), (steps) => {
        const writer = new ReplyWriter()
        const marks: [length: number, own: number, text: string][] = [[0, 0, '']]
        let text = ''
        for (const [i, [what, which]] of steps.entries()) {
          if (what === 'rewind') {
            const [length, own, before] = marks[which % marks.length]
            marks.length = (which % marks.length) + 1
            writer.rewind(length)
            text = before
            expect([writer.length, writer.ownLength]).toEqual([length, own])
          } else if (what === 'source') {
            writer.produce(sourceOf(`s${i}.`, 2))
            text += `<s${i}.0><s${i}.1>`
          } else {
            const value = what === 'long' ? long : 'y'.repeat(what)
            writer.bulk(value)
            text += `$${value.length}\r\n${value}\r\n`
          }
          marks.push([writer.length, writer.ownLength, text])
        }
        expect(textOf(writer) === text).toBe(true)
      }),
    )
  })

  test('replies to writes are replaced, whatever stands around them', () => {
    const writer = new ReplyWriter()
    const ranges: number[] = []
    const write = (isWrite: boolean, put: () => void): void => {
      const start = writer.length
      put()
      if (isWrite) ranges.push(start, writer.length)
    }
    write(true, () => writer.bulk(long))
    write(false, () => writer.produce(sourceOf('a', 2)))
    write(true, () => writer.ok())
    write(true, () => {})
    write(false, () => writer.bulk(long))
    write(true, () => {
      writer.array(2)
      writer.produce(sourceOf('b', 2))
      writer.bulk(long)
    })
    write(false, () => writer.integer(1))
    const replaced = replaceRanges(writer.takeParts(), ranges, Buffer.from('-E\r\n'))
    expect(textOfParts(replaced)).toBe(
      `-E\r\n<a0><a1>-E\r\n$${long.length}\r\n${long}\r\n-E\r\n:1\r\n`,
    )
  })

  test('replacing replies looks at each part a few times, however many replies there are', () => {
    const COUNT = 300
    let looks = 0
    const writer = new ReplyWriter()
    const ranges: number[] = []
    const long = Buffer.alloc(MIN_REFERENCED_BYTES)
    for (let i = 0; i < COUNT; i++) {
      ranges.push(writer.length)
      writer.ok()
      ranges.push(writer.length)
      writer.bulk(long)
    }
    const parts = writer.takeParts()
    const watched = new Proxy(parts, {
      get: (target, key) => {
        looks++
        return Reflect.get(target, key)
      },
    })
    const replaced = replaceRanges(watched, ranges, Buffer.from('-E\r\n'))
    const bulk = `$${long.length}\r\n${long.toString('latin1')}\r\n`
    expect(textOfParts(replaced) === `-E\r\n${bulk}`.repeat(COUNT)).toBe(true)
    expect(looks / COUNT).toBeLessThan(20)
  })

  test('a long string counts as memory of the reply, because it has been made for it', () => {
    const writer = new ReplyWriter()
    for (let i = 0; i < 10; i++) writer.bulk('x'.repeat(MIN_REFERENCED_BYTES))
    expect(writer.ownLength).toBeGreaterThan(10 * MIN_REFERENCED_BYTES)
    for (let i = 0; i < 10; i++) writer.bulk(Buffer.alloc(MIN_REFERENCED_BYTES))
    expect(writer.ownLength).toBeLessThan(11 * MIN_REFERENCED_BYTES)
  })

  test('a list goes out in pieces, and the first one at once', () => {
    const writer = new ReplyWriter()
    const items = Array.from({ length: 50_000 }, (_, i) => `item ${i}`)
    writeList(writer, items, writeBulk)
    expect(writer.ownLength).toBeLessThan(8 * PIECE_BYTES + 16 * items.length)
    expect(writer.parts).toHaveLength(2)
    expect(textOf(writer)).toBe(items.map(encodeBulk).join(''))
  })
})
