import { expect, test } from 'vitest'
import type { Denial } from '../../src/request/denial.ts'
import { asLogged, asSent, conditionsOfExec, withinRoom } from '../../src/request/ordered-rights.ts'
import type { RequestArguments } from '../../src/resp/request-arguments.ts'

const denied = {} as Denial
const FREE = { deniedBelow: undefined, copyBound: undefined, mostNodes: undefined }

test.each<[Parameters<typeof asLogged>[1], RequestArguments]>([
  [FREE, ['SET', 'ROOM', '2']],
  [{ ...FREE, mostNodes: 7 }, ['ROOM', '7', 'SET', 'ROOM', '2']],
  [{ ...FREE, deniedBelow: denied }, ['FILES', 'SET', 'ROOM', '2']],
  [{ ...FREE, copyBound: 5 }, ['UPTO', '5', 'SET', 'ROOM', '2']],
  [
    { deniedBelow: denied, copyBound: undefined, mostNodes: 7 },
    ['FILES', 'ROOM', '7', 'SET', 'ROOM', '2'],
  ],
  [
    { deniedBelow: undefined, copyBound: 5, mostNodes: 7 },
    ['UPTO', '5', 'ROOM', '7', 'SET', 'ROOM', '2'],
  ],
])('a log has what a request depends on before it (%j)', (conditions, logged) => {
  const sent: RequestArguments = ['SET', 'ROOM', '2']
  expect(asLogged(sent, conditions)).toEqual(logged)
  expect(asSent(logged)).toEqual(sent)
})

test('a log has how large the tree may be before an EXEC', () => {
  expect(conditionsOfExec(withinRoom(['MULTI'], 7))).toEqual({ ...FREE, mostNodes: 7 })
  expect(conditionsOfExec(['WATCH', '7'])).toEqual(FREE)
})
