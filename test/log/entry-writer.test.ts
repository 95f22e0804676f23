import { expect, test } from 'vitest'
import { EntryWriter } from '../../src/log/entry.ts'

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
