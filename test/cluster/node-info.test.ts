import { expect, test } from 'vitest'
import { ClusterError } from '../../src/cluster/cluster-error.ts'
import { readNodeInfo, timeIn } from '../../src/cluster/node-info.ts'

const INFO = {
  ...{ name: 'a', address: '127.0.0.1:1', version: '1', applied: 7 },
  lag: { revisions: 0, ms: 0 },
}

test('what a node tells of itself is read as it was written', () => {
  expect(readNodeInfo('n', Buffer.from(JSON.stringify(INFO)))).toEqual(INFO)
})

test.each([
  '',
  'x',
  'null',
  '7',
  '"text"',
  '[]',
  '{}',
  ...Object.keys(INFO).map((name) => JSON.stringify({ ...INFO, [name]: null })),
  JSON.stringify({ ...INFO, lag: { revisions: 'x', ms: 0 } }),
])('%s, which somebody else has written in its place, is refused', (text) => {
  expect(() => readNodeInfo('n', Buffer.from(text))).toThrow(ClusterError)
})

test('the time in it is read if it is one', () => {
  const timeOf = (info: unknown) => timeIn(Buffer.from(JSON.stringify(info)))
  expect(timeOf({ ...INFO, time: 5 })).toBe(5)
  for (const time of [null, '5', -1, 1e300, {}]) expect(timeOf({ ...INFO, time })).toBeUndefined()
  // A former ktree tells none.
  expect(timeOf(INFO)).toBeUndefined()
  for (const text of ['', 'x', 'null', '7', '[]']) expect(timeIn(Buffer.from(text))).toBeUndefined()
})
