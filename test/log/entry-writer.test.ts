import { expect, test, vi } from 'vitest'
import { Config } from '../../src/config/config.ts'
import { MAX_QUERY_BYTES, queryBufferLimit } from '../../src/config/query-buffer.ts'
import { EntryWriter } from '../../src/log/entry.ts'
import { MAX_PAYLOAD_BYTES } from '../../src/log/segment.ts'
import { LONG_RECORD_BYTES } from '../../src/persistence/persistence.ts'
import { type Client, limitKept } from '../../src/request/client.ts'
import { Transaction } from '../../src/request/transaction.ts'

test('a record tells its length, whatever its arguments are', () => {
  const writer = new EntryWriter()
  for (const round of [1, 2]) {
    for (const length of [0, 10, 253, 254, 16_384, 16_385, 70_000, 300_000, 5]) {
      writer.command(['SET', 'k'.repeat(length % 300), Buffer.alloc(length)], round)
      writer.command(['SET', 'k', 'v'.repeat(length)], round)
      const pieces = writer.pieces(1)
      expect(writer.length).toBe(pieces.reduce((sum, piece) => sum + piece.length, 0))
    }
    writer.clear(round === 1)
    expect(writer.isEmpty).toBe(true)
  }
})

test('a record has room for all that a client may queue, whatever the limits are', () => {
  const command = { writes: true, ordered: true, grows: true }
  for (const [count, length] of [
    [1, 0],
    [1, 300],
    [1, 20_000],
    [2000, 3],
    [1000, 300],
    [20, 70_000],
  ]) {
    const transaction = new Transaction()
    const writer = new EntryWriter()
    const before = writer.length
    for (let i = 0; i < count; i++) transaction.add(['SET', 'k', 'v'.repeat(length)], command)
    writer.transaction(transaction.requests, 1)
    expect(writer.length - before).toBeLessThanOrEqual(transaction.bytes)
  }
  const config = new Config()
  config.set('client-query-buffer-limit', ['100gb'])
  expect(queryBufferLimit(config)).toBe(MAX_QUERY_BYTES)
  for (const [bytes, may] of [
    [MAX_QUERY_BYTES, true],
    [MAX_QUERY_BYTES + 1, false],
  ]) {
    const transaction = { bytes }
    const disconnect = vi.fn()
    const fields = { transaction, disconnect, bufferedInput: 0, subscriptionBytes: 0 }
    expect(limitKept({ ...fields, server: { config } } as unknown as Client)).toBe(may)
    expect(disconnect).toHaveBeenCalledTimes(may ? 0 : 1)
  }
  config.set('client-query-buffer-limit', ['5mb'])
  expect(queryBufferLimit(config)).toBe(5 * 1024 ** 2)
  // As much may be in the record before, and other things of the turn.
  expect(MAX_PAYLOAD_BYTES - MAX_QUERY_BYTES - LONG_RECORD_BYTES).toBeGreaterThan(512 * 1024 ** 2)
})
