import fc from 'fast-check'
import { expect, test } from 'vitest'
import { frame, RequestRecorder, read } from './request-recorder.ts'

const binary = fc
  .uint8Array({ maxLength: 40 })
  .map((bytes) => Buffer.from(bytes).toString('latin1'))
const word = fc.stringMatching(/^[a-z0-9/\x80-\xff]{1,12}$/)

interface Piece {
  bytes: string
  args: string[]
}

/** A part of a valid stream, with the request that it encodes, if any. */
const piece: fc.Arbitrary<Piece> = fc.oneof(
  { weight: 6, arbitrary: fc.array(binary, { minLength: 1, maxLength: 8 }).map(asFrame) },
  { weight: 2, arbitrary: fc.tuple(fc.array(word, { minLength: 1 }), endOfLine()).map(asInline) },
  { weight: 1, arbitrary: fc.array(binary, { minLength: 1, maxLength: 4 }).map(asQuoted) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('*0\r\n', '*-1\r\n', '\r\n', '\n')
      .map((bytes) => ({ bytes, args: [] })),
  },
)

function endOfLine(): fc.Arbitrary<string> {
  return fc.constantFrom('\r\n', '\n')
}

function asFrame(args: string[]): Piece {
  return { bytes: frame(...args), args }
}

function asInline([args, end]: [string[], string]): Piece {
  return { bytes: args.join(' ') + end, args }
}

function asQuoted(args: string[]): Piece {
  const quoted = args.map(
    (arg) => `"${Buffer.from(arg, 'latin1').toString('hex').replace(/../g, '\\x$&')}"`,
  )
  return { bytes: `${quoted.join(' ')}\r\n`, args }
}

test('a valid stream gives the same requests for any chunks and pauses', () => {
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 20 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 60 })),
      fc.infiniteStream(fc.integer({ min: 0, max: 3 })),
      (pieces, lengths, pauses) => {
        const input = pieces.map(({ bytes }) => bytes).join('')
        const requests = pieces.map(({ args }) => args).filter((args) => args.length > 0)
        expect(read(input)).toEqual(requests)

        const recorder = new RequestRecorder()
        recorder.onRequest = () => {
          if (pauses.next().value === 0) recorder.reader.pause()
        }
        for (let at = 0; at < input.length; ) {
          const length = lengths.next().value
          recorder.push(input.slice(at, at + length))
          at += length
          if (pauses.next().value === 0) recorder.reader.resume()
        }
        for (let count = 0; count <= requests.length; count++) recorder.reader.resume()
        expect(recorder.told).toEqual(requests)
        expect(recorder.reader.bufferedBytes).toBe(0)
      },
    ),
    { numRuns: 500 },
  )
})

const edit = fc.record({
  at: fc.nat(),
  remove: fc.integer({ min: 0, max: 3 }),
  insert: fc.oneof(binary, fc.constantFrom('*', '$', '\r', '\n', '\0', '-', '1', '99999', '"')),
})

test('a broken stream neither throws nor grows, and gives the same result for any chunks', () => {
  const limits = {
    maxFrameLength: 4096,
    maxInlineLength: 100,
    maxBulkLength: 2000,
    maxArguments: 50,
  }
  fc.assert(
    fc.property(
      fc.array(piece, { minLength: 1, maxLength: 8 }),
      fc.array(edit, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 40 }),
      fc.boolean(),
      (pieces, edits, chunkLength, unauthenticated) => {
        let input = pieces.map(({ bytes }) => bytes).join('')
        for (const { at, remove, insert } of edits) {
          const place = at % (input.length + 1)
          input = input.slice(0, place) + insert + input.slice(place + remove)
        }
        const whole = new RequestRecorder(limits)
        const cut = new RequestRecorder(limits)
        whole.reader.unauthenticated = unauthenticated
        cut.reader.unauthenticated = unauthenticated
        whole.push(input)
        cut.push(input, chunkLength)
        expect(cut.told).toEqual(whole.told)
        expect(cut.reader.bufferedBytes).toBe(whole.reader.bufferedBytes)

        // It buffers no more than the limit, however long the request is.
        for (let count = 0; count < 100; count++) cut.push('x'.repeat(97))
        expect(cut.reader.bufferedBytes).toBeLessThanOrEqual(limits.maxFrameLength)
        const errors = cut.told.filter((told) => typeof told === 'string')
        expect(errors.length).toBe(1)
        expect(typeof cut.told.at(-1)).toBe('string')
        expect(cut.told.every((told) => typeof told === 'string' || told.length > 0)).toBe(true)
      },
    ),
    { numRuns: 1500 },
  )
})
