import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isLinearizable, type Operation } from './linearizable.ts'
import { bank, faultsOfLock, type RegisterInput, type RegisterOutput, register } from './models.ts'

type Op = Operation<RegisterInput, RegisterOutput>

const write = (value: string, call: number, end: number): Op => ({
  input: { kind: 'write', value },
  output: null,
  call,
  end,
})
const lost = (value: string, call: number): Op => ({
  ...write(value, call, Infinity),
  output: undefined,
})
const read = (output: string | null, call: number, end: number): Op => ({
  input: { kind: 'read' },
  output,
  call,
  end,
})
const swap = (from: string, to: string, output: boolean, call: number, end: number): Op => ({
  input: { kind: 'swap', from, to },
  output,
  call,
  end,
})

test.each<[string, boolean, Op[]]>([
  ['nothing', true, []],
  ['a read of what was written', true, [write('a', 0, 1), read('a', 2, 3)]],
  ['a read of what was overwritten', false, [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)]],
  [
    'a read beside a write sees either',
    true,
    [write('a', 0, 1), write('b', 2, 9), read('a', 3, 4)],
  ],
  ['a read that goes back', false, [write('a', 0, 9), read('a', 1, 2), read(null, 3, 4)]],
  ['a lost write that came', true, [lost('a', 0), read(null, 1, 2), read('a', 3, 4)]],
  ['a lost write that never came', true, [lost('a', 0), read(null, 5, 6)]],
  ['a lost write seen before its call', false, [read('a', 0, 1), lost('a', 2)]],
  [
    'a lost write that came twice',
    false,
    [lost('a', 0), read('a', 1, 2), write('b', 3, 4), read('a', 5, 6)],
  ],
  [
    'a swap that was made twice',
    false,
    [write('a', 0, 1), swap('a', 'b', true, 2, 9), swap('a', 'c', true, 2, 9)],
  ],
  [
    'a swap that was refused without reason',
    false,
    [write('a', 0, 1), swap('a', 'b', false, 2, 3)],
  ],
])('%s: %s', (_, expected, history) => {
  expect(isLinearizable(register, history)).toBe(expected)
})

/** Operations as a register does them, each at one moment between its call and its end. */
const histories = fc
  .array(
    fc.record({
      at: fc.integer({ min: 0, max: 1000 }),
      before: fc.integer({ min: 0, max: 60 }),
      after: fc.integer({ min: 0, max: 60 }),
      kind: fc.constantFrom('read', 'write', 'lost', 'never'),
    }),
    { maxLength: 40 },
  )
  .map((steps) => {
    let value: string | null = null
    const ordered = steps.toSorted((a, b) => a.at - b.at)
    return ordered.map(({ at, before, after, kind }, i): Op => {
      // Two at one moment are in the order of the list.
      const [call, end] = [at + i / 100 - before, at + i / 100 + after]
      if (kind === 'read') return read(value, call, end)
      if (kind === 'never') return lost(`v${i}`, call)
      value = `v${i}`
      return kind === 'lost' ? lost(value, call) : write(value, call, end)
    })
  })

test('accepts whatever a register does', () => {
  fc.assert(fc.property(histories, (history) => isLinearizable(register, history)))
})

test('finds a read that was changed to a value that was never there', () => {
  const withRead = histories.filter((history) => history.some(({ input }) => input.kind === 'read'))
  fc.assert(
    fc.property(withRead, fc.nat(), (history, which) => {
      const reads = history.flatMap(({ input }, i) => (input.kind === 'read' ? [i] : []))
      const changed = reads[which % reads.length]
      const odd = history.map((op, i) => (i === changed ? { ...op, output: 'odd' } : op))
      return !isLinearizable(register, odd)
    }),
  )
})

test('a transfer is seen as a whole', () => {
  const model = bank([10, 10])
  const transfer = {
    input: { kind: 'transfer', by: [-1, 1] },
    output: true,
    call: 0,
    end: 9,
  } as const
  const seen = (output: number[]) => ({ input: { kind: 'read' }, output, call: 1, end: 2 }) as const
  expect(isLinearizable(model, [transfer, seen([9, 11])])).toBe(true)
  expect(isLinearizable(model, [transfer, seen([10, 10])])).toBe(true)
  expect(isLinearizable(model, [transfer, seen([9, 10])])).toBe(false)
})

test('two holders of a lock at once are found', () => {
  const hold = (call: number, index: number, release = Infinity) => ({
    call,
    end: call + 1,
    index,
    release,
  })
  expect(faultsOfLock([hold(0, 1, 10), hold(11, 2)], 100)).toEqual([])
  expect(faultsOfLock([hold(0, 1), hold(150, 2)], 100)).toEqual([])
  expect(faultsOfLock([hold(0, 1), hold(50, 2)], 100)).toHaveLength(1)
  expect(faultsOfLock([hold(0, 1, 10), hold(50, 1)], 100)).toHaveLength(1)
})
