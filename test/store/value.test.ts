import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  appendToValue,
  bytesOf,
  copyValue,
  equalValues,
  LARGE_VALUE_BYTES,
  putIntoValue,
  sliceValue,
  textOfValue,
  toValue,
  type Value,
  writeValue,
} from '../../src/store/value.ts'
import { usedMemory } from '../server/memory.ts'

const L = LARGE_VALUE_BYTES
/** Lengths on both sides of the threshold, and far from it. */
const lengths = fc.oneof(
  fc.integer({ min: 0, max: 40 }),
  fc.integer({ min: L - 3, max: L + 3 }),
  fc.integer({ min: 0, max: 4 * L }),
)
const bytes = fc
  .tuple(lengths, fc.nat(255))
  .map(([length, seed]) =>
    Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 31 + seed) % 256)),
  )

function isForm(value: Value): boolean {
  return (typeof value === 'string') === value.length < L
}

describe('a value', () => {
  test('is a string below the threshold, and a Buffer from there on', () => {
    for (const length of [0, 1, L - 1, L, L + 1, 3 * L]) {
      const text = 'é'.repeat(length)
      for (const value of [toValue(text), copyValue(Buffer.from(text, 'latin1'))]) {
        expect(isForm(value)).toBe(true)
        expect(textOfValue(value)).toBe(text)
        expect(bytesOf(value).toString('latin1')).toBe(text)
      }
    }
  })

  test('shares no memory with the bytes that it is copied from', () => {
    for (const length of [10, L, 2 * L]) {
      const source = Buffer.alloc(length + 2, 'a')
      const value = copyValue(source, 1, length + 1)
      source.fill('b')
      expect(textOfValue(value)).toBe('a'.repeat(length))
      if (typeof value !== 'string') expect(value.buffer.byteLength).toBe(length)
    }
  })

  test('equals another with the same bytes in either form', () => {
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        expect(equalValues(copyValue(a), copyValue(b))).toBe(a.equals(b))
        expect(equalValues(a, a.toString('latin1'))).toBe(true)
        expect(equalValues(a.toString('latin1'), Buffer.from(a))).toBe(true)
      }),
    )
  })

  test('is sliced and written as its bytes are', () => {
    fc.assert(
      fc.property(bytes, fc.integer({ min: 0, max: 2 * L }), fc.nat(3 * L), (a, start, end) => {
        const part = sliceValue(copyValue(a), start, end)
        expect(textOfValue(part)).toBe(a.toString('latin1').slice(start, end))
        const target = Buffer.alloc(a.length + 2, '-')
        expect(writeValue(target, 1, copyValue(a))).toBe(a.length + 1)
        expect(target.toString('latin1')).toBe(`-${a.toString('latin1')}-`)
      }),
    )
  })
})

const change = fc.oneof(
  fc.record({ at: fc.constant('end' as const), part: bytes }),
  fc.record({ at: fc.nat(5 * L), part: bytes.filter((part) => part.length > 0) }),
)

describe('appending to a value and writing into it', () => {
  test('makes one piece, which takes no more memory when it is read', () => {
    const shared = textOfValue(copyValue(Buffer.alloc(7000, 'x')))
    const values = Array.from({ length: 5000 }, () => appendToValue(shared, 'y'))
    const before = usedMemory()
    // A regular expression needs the characters side by side.
    for (const value of values) expect(/xy$/.test(value as string)).toBe(true)
    expect(usedMemory() - before).toBeLessThan(10_000_000)
  })

  test('gives the same bytes as with plain Buffers, and changes no earlier value', () => {
    fc.assert(
      fc.property(
        bytes,
        fc.array(change, { maxLength: 12 }),
        fc.infiniteStream(fc.nat(9)),
        (first, changes, picks) => {
          const values: Value[] = [copyValue(first)]
          const model: Buffer[] = [first]
          for (const { at, part } of changes) {
            // Mostly the last one goes on; sometimes an earlier one does, as after a COPY.
            const pick = picks.next().value ?? 0
            const from = pick < 7 ? values.length - 1 : pick % values.length
            const offset = at === 'end' ? model[from].length : at
            const expected = Buffer.alloc(Math.max(model[from].length, offset + part.length))
            model[from].copy(expected)
            part.copy(expected, offset)
            const value = copyValue(part)
            values.push(
              at === 'end'
                ? appendToValue(values[from], value)
                : putIntoValue(values[from], offset, value),
            )
            model.push(expected)
          }
          for (const [i, value] of values.entries()) {
            expect(textOfValue(value)).toBe(model[i].toString('latin1'))
            expect(isForm(value)).toBe(true)
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  test('copies a value of 60 MB only when it has grown by a share of its length', () => {
    let value: Value = Buffer.alloc(60_000_000, 'x')
    const memories = new Set<unknown>()
    for (let i = 0; i < 2000; i++) {
      value = appendToValue(value, 'y'.repeat(1000))
      memories.add(bytesOf(value).buffer)
    }
    expect(value.length).toBe(62_000_000)
    expect(memories.size).toBe(1)
    expect(bytesOf(value).buffer.byteLength).toBeLessThan(70_000_000)
  })

  test('copies each byte a bounded number of times while a value grows from nothing', () => {
    let value: Value = ''
    let copied = 0
    let memory: unknown
    for (let i = 0; i < 5000; i++) {
      const before = value.length
      value = appendToValue(value, 'z'.repeat(4000))
      if (typeof value !== 'string' && value.buffer !== memory) {
        memory = value.buffer
        copied += before
      }
    }
    expect(value.length).toBe(20_000_000)
    expect(copied).toBeLessThan(10 * value.length)
  })
})
