import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TransferError } from '../../src/transfer/errors.ts'
import { readMessage } from '../../src/transfer/protobuf.ts'
import { looksLikeSnapFile, readSnapFile } from '../../src/transfer/snap-file.ts'
import { envelope, message, snapFile } from './snap-envelope.ts'

const indexes = fc.oneof(fc.nat(300), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }))
const documents = fc.string({ unit: 'binary', minLength: 1 })

/** The result of reading, or `refused`. Any other error is thrown. */
function attempt(content: Buffer): object | 'refused' {
  try {
    return readSnapFile(content)
  } catch (error) {
    if (error instanceof TransferError) return 'refused'
    throw error
  }
}

test('the document and the raft index are read as they were written', () => {
  fc.assert(
    fc.property(documents, indexes, (document, raftIndex) => {
      const file = snapFile(document, raftIndex)
      expect(looksLikeSnapFile(file)).toBe(true)
      expect(readSnapFile(file)).toEqual({ document: Buffer.from(document), raftIndex })
    }),
  )
})

test('any changed byte is refused', () => {
  const file = snapFile('{"Root":{}}')
  for (let at = 0; at < file.length; at++) {
    for (let change = 1; change < 256; change++) {
      const changed = Buffer.from(file)
      changed[at] ^= change
      expect(attempt(changed)).toBe('refused')
    }
  }
})

test('a truncated file is refused, and so is one with more bytes', () => {
  const file = snapFile('{"Root":{}}')
  for (let end = 0; end < file.length; end++) {
    expect(attempt(file.subarray(0, end))).toBe('refused')
  }
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 20 }), (more) => {
      const longer = attempt(Buffer.concat([file, more]))
      // Unknown whole fields are skipped, as protobuf demands.
      if (longer !== 'refused') expect(longer).toEqual(readSnapFile(file))
    }),
  )
})

test('any bytes are read or refused', () => {
  const bytes = fc.uint8Array({ maxLength: 60 })
  fc.assert(fc.property(bytes, (content) => void attempt(Buffer.from(content))))
  fc.assert(fc.property(bytes, (data) => void attempt(envelope(Buffer.from(data)))))
})

describe('a file without a store is refused, with the reason:', () => {
  const metadata = message([2, 25])
  const data = message([1, '{}'], [2, metadata])
  test.each([
    ['a checksum of 0', message([1, 0], [2, data]), 'it holds no snapshot'],
    ['no checksum', message([2, data]), 'it holds no snapshot'],
    ['no data', message([1, 5]), 'it holds no snapshot'],
    ['empty data', message([1, 5], [2, '']), 'it holds no snapshot'],
    ['another checksum', message([1, 5], [2, data]), 'its checksum does not match'],
    ['data that is no message', envelope(Buffer.from('{}')), 'its content is no snapshot'],
    ['no document', envelope(message([2, metadata])), 'it holds no v2 store'],
    ['an empty document', envelope(message([1, ''], [2, metadata])), 'it holds no v2 store'],
    ['no metadata', envelope(message([1, '{}'])), 'its metadata is broken'],
    ['the first half', snapFile('{}').subarray(0, 10), 'it is truncated, or no .snap file'],
  ])('%s', (_, content, reason) => {
    expect(() => readSnapFile(content)).toThrow(reason)
  })
})

test.each(['{"Root":{}}', ' {}', '\n{}', '\t', '', '\x1f\x8b'])(
  '%j does not look like one',
  (text) => {
    expect(looksLikeSnapFile(Buffer.from(text, 'latin1'))).toBe(false)
  },
)

test('however many fields a message has, few are kept', () => {
  const many = Array.from({ length: 20_000 }, (_, i) => [i + 1, i] as const)
  expect(readMessage(message(...many)).size).toBeLessThan(20)
})
