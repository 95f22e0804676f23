import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MIN_REFERENCED_BYTES, SourcePart, ValuePart } from '../../src/resp/reply-parts.ts'
import type { ReplyPart, ReplySource } from '../../src/resp/reply-writer.ts'
import { OutputQueue } from '../../src/server/output-queue.ts'
import { PartEncoder } from '../../src/server/part-encoder.ts'
import { looseValues, NEVER, References } from '../../src/store/loose-values.ts'

const MB = 1024 ** 2

/** A source that writes texts one after the other; null prepares the next one, and writes nothing. */
function sourceOf(texts: readonly (string | null)[], weight = 0): ReplySource {
  let next = 0
  return {
    weight,
    next: (reply) => {
      const text = texts[next++]
      if (typeof text === 'string') reply.bulk(text)
      return next < texts.length
    },
  }
}

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`

/** All that is left to encode, and the longest piece of memory that was made for it. */
function drain(encoder: PartEncoder): { text: string; longest: number } {
  let text = ''
  let longest = 0
  while (!encoder.isEmpty) {
    const { bytes, isScratch } = encoder.next()
    text += bytes.toString('latin1')
    if (isScratch) longest = Math.max(longest, bytes.length)
  }
  return { text, longest }
}

const length = fc.oneof(
  fc.nat({ max: 100 }),
  fc.nat({ max: 3 * MIN_REFERENCED_BYTES }),
  fc.constantFrom(
    MIN_REFERENCED_BYTES - 1,
    MIN_REFERENCED_BYTES,
    256 * 1024,
    256 * 1024 + 1,
    3 * MB,
  ),
)

/** A part, and the text that it is sent as. */
const part: fc.Arbitrary<() => [ReplyPart, string]> = fc.oneof(
  fc.tuple(length, fc.constantFrom('bytes', 'string', 'value')).map(([count, kind]) => () => {
    const text = `${count}`.repeat(count).slice(0, count)
    if (kind === 'bytes') return [Buffer.from(text), text] as [ReplyPart, string]
    const value = kind === 'string' ? text : Buffer.from(text)
    return [new ValuePart(value), text] as [ReplyPart, string]
  }),
  fc.array(fc.option(length), { maxLength: 4 }).map((lengths) => () => {
    const texts = lengths.map((count) => (count === null ? null : 's'.repeat(count)))
    const text = texts.map((each) => (each === null ? '' : bulk(each))).join('')
    return [new SourcePart(sourceOf(texts), 2), text] as [ReplyPart, string]
  }),
)

test('parts of any kind come out in order, in little memory, and are counted to the end', () => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.nat({ max: 12 }), (parts, first) => {
      const encoder = new PartEncoder()
      let expected = ''
      let text = ''
      for (const [i, make] of parts.entries()) {
        const [each, sent] = make()
        encoder.add(each)
        expected += sent
        if (i === first) text += encoder.next().bytes.toString('latin1')
      }
      const rest = drain(encoder)
      expect(text + rest.text === expected).toBe(true)
      expect(rest.longest).toBeLessThanOrEqual(256 * 1024)
      expect([encoder.length, encoder.ownLength, encoder.hasSource]).toEqual([0, 0, false])
    }),
    { numRuns: 60 },
  )
})

test('a long string is encoded only when its turn comes', () => {
  const encoder = new PartEncoder()
  const value = 'v'.repeat(64 * MB)
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 20; i++) encoder.add(new ValuePart(value))
  expect(encoder.length).toBe(20 * value.length)
  expect(encoder.next().bytes.length).toBe(256 * 1024)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MB)
  encoder.clear()
  expect(encoder.isEmpty).toBe(true)
})

test('a source counts until it has made its last piece', () => {
  const encoder = new PartEncoder()
  encoder.add(new SourcePart(sourceOf(['a', null, 'b'], 1000), 2))
  expect(encoder.hasSource).toBe(true)
  for (const made of ['a', undefined, 'b']) {
    expect(encoder.ownLength).toBeGreaterThan(1000)
    expect(encoder.next().bytes.toString()).toBe(made === undefined ? '' : bulk(made))
  }
  expect([encoder.hasSource, encoder.length]).toEqual([false, 0])
})

test('what is being sent counts, as what waits does', () => {
  const encoder = new PartEncoder()
  const listed: ReplySource = {
    weight: 0,
    next: (reply) => {
      for (let i = 0; i < 1000; i++) {
        reply.bulk(Buffer.alloc(MIN_REFERENCED_BYTES))
        reply.bulk('v'.repeat(60_000))
      }
      return false
    },
  }
  encoder.add(new SourcePart(listed, 2))
  for (let i = 0; i < 2; i++) encoder.next()
  expect(encoder.ownLength).toBeGreaterThan(57 * MB)
  // The Buffers are those of the tree.
  expect(encoder.ownLength).toBeLessThan(61 * MB)

  const bytes = new PartEncoder()
  bytes.add(Buffer.alloc(10 * MB))
  bytes.add(new ValuePart(Buffer.alloc(10 * MB)))
  for (let i = 0; i < 15; i++) {
    bytes.next()
    expect(bytes.ownLength < 1024).toBe(i >= 9)
  }
})

test('a source counts for what it takes at the moment', () => {
  const encoder = new PartEncoder()
  const growing = {
    weight: 0,
    next: () => {
      growing.weight += MB
      return growing.weight < 10 * MB
    },
  }
  for (let i = 0; i < 2; i++) encoder.add(new SourcePart(growing, 2))
  for (let i = 1; i < 10; i++) {
    encoder.next()
    expect(encoder.ownLength).toBeGreaterThan(i * MB)
    expect(encoder.sourceLength).toBeGreaterThan(i * MB)
  }
})

test('what the parts refer to counts as far as bytes have left the tree, until it has been sent', () => {
  const encoder = new PartEncoder()
  const value = Buffer.alloc(2 * MB)
  const bytesOf = (): [all: number, inHeap: number] => [
    encoder.looseBytes(false),
    encoder.looseBytes(true),
  ]
  looseValues.add(100 * MB)
  encoder.add(Buffer.alloc(20_000))
  expect([encoder.refersSince, ...bytesOf()]).toEqual([NEVER, 0, 0])
  const { mark } = looseValues
  for (let i = 0; i < 3; i++) encoder.add(new ValuePart(value))
  const references = new References(['z'.repeat(1000), value.subarray(0, 9000), null])
  encoder.add(new SourcePart({ ...sourceOf(['x', 'y']), references }, 2))
  expect([encoder.refersSince, ...bytesOf()]).toEqual([mark, 0, 0])
  looseValues.add(500)
  expect(bytesOf()).toEqual([500, 500])
  looseValues.add(2 * MB)
  expect(bytesOf()).toEqual([2 * MB + 500, 1000])
  looseValues.add(100 * MB)
  for (let left = 3; left > 0; left--) {
    const [all, inHeap] = bytesOf()
    expect(Math.round(all / MB)).toBe(2 * left)
    expect(inHeap).toBe(1000)
    // A value is kept until the last of it has been sent.
    do {
      expect(Math.round(encoder.looseBytes(false) / MB)).toBe(2 * left)
      encoder.next()
    } while (encoder.isWithinValue)
  }
  expect(bytesOf()).toEqual([10_000, 1000])
  expect(encoder.refersSince).toBe(mark)
  drain(encoder)
  expect([encoder.refersSince, ...bytesOf()]).toEqual([NEVER, 0, 0])
})

test('what sources share counts once, until the last of them has made its last piece', () => {
  const encoder = new PartEncoder()
  const shared = [{ key: {}, weight: MB }]
  for (let i = 0; i < 3; i++) {
    encoder.add(new SourcePart({ ...sourceOf(['a', 'b']), shared }, 2))
  }
  for (let pieces = 6; pieces > 0; pieces--) {
    expect(encoder.ownLength).toBeGreaterThan(MB)
    expect(encoder.ownLength).toBeLessThan(1.1 * MB)
    expect(encoder.sourceLength).toBe(encoder.ownLength)
    encoder.next()
  }
  expect([encoder.sharedBytes, encoder.ownLength]).toEqual([0, 0])
})

test('a source that fails spoils nothing for the outputs after it', () => {
  const [spoilt, other] = [new PartEncoder(), new PartEncoder()]
  const failing: ReplySource = {
    weight: 0,
    next: (reply) => {
      reply.bulk('half of')
      throw new Error('no more')
    },
  }
  spoilt.add(new SourcePart(failing, 2))
  other.add(new SourcePart(sourceOf(['whole']), 2))
  expect(() => spoilt.next()).toThrow('no more')
  expect(drain(other).text).toBe(bulk('whole'))
})

describe('a queue', () => {
  test('of a million short pieces takes little more memory than their bytes', () => {
    const queue = new OutputQueue()
    const piece = Buffer.from('+OK\r\n')
    const before = process.memoryUsage()
    for (let i = 0; i < 1_000_000; i++) queue.add(piece)
    const after = process.memoryUsage()
    expect(queue.length).toBe(5_000_000)
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(6 * MB)
    let [parts, length] = [0, 0]
    for (; !queue.isEmpty; parts++) length += queue.shift().length
    expect([length, queue.length]).toEqual([5_000_000, 0])
    expect(parts).toBeLessThan(320)
  })

  test('of short pieces between values takes little more memory than they', () => {
    const queue = new OutputQueue()
    const value = Buffer.alloc(MIN_REFERENCED_BYTES)
    for (let i = 0; i < 100_000; i++) {
      queue.add(Buffer.from('$65536\r\n'))
      queue.add(new ValuePart(value))
      queue.add(Buffer.from('\r\n'))
    }
    // Each part is an object.
    expect(queue.ownLength).toBeGreaterThan(100_000 * 200)
    expect(queue.ownLength).toBeLessThan(100_000 * 400)
    const blocks = new Set<ArrayBufferLike>()
    let text = ''
    while (!queue.isEmpty) {
      const part = queue.shift()
      if (!Buffer.isBuffer(part)) continue
      blocks.add(part.buffer)
      text += part
    }
    expect(text === '$65536\r\n\r\n'.repeat(100_000)).toBe(true)
    let bytes = 0
    for (const { byteLength } of blocks) bytes += byteLength
    expect(bytes).toBeLessThan(1.1 * text.length + 16 * 1024)
    expect([queue.length, queue.ownLength]).toEqual([0, 0])
  })

  test('of a few bytes takes a few bytes', () => {
    const queues = Array.from({ length: 2000 }, () => new OutputQueue())
    const before = process.memoryUsage().arrayBuffers
    for (const queue of queues) queue.add(Buffer.from('+OK\r\n'))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * MB)
  })

  test('does not keep what has been taken, and may be added to meanwhile', () => {
    const queue = new OutputQueue()
    let added = 0
    let taken = 0
    for (let round = 0; round < 5000; round++) {
      for (let i = 0; i < 3; i++) queue.add(new ValuePart(`${added++}`))
      for (let i = 0; i < (round < 2500 ? 2 : 4) && !queue.isEmpty; i++) {
        expect((queue.shift() as ValuePart).value).toBe(`${taken++}`)
      }
    }
    expect(taken).toBe(added)
  })
})
