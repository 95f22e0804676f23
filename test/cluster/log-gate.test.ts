import { expect, onTestFinished, test, vi } from 'vitest'
import { LogGate, type LogGateParts } from '../../src/cluster/log-gate.ts'
import type { Waiting } from '../../src/cluster/waiting.ts'
import type { Client } from '../../src/request/client.ts'
import { Transaction } from '../../src/request/transaction.ts'
import type { RequestArguments } from '../../src/resp/request-arguments.ts'
import { PostponedRequest } from '../../src/server/postponed-request.ts'
import { gateTo, refuse } from './gate-to.ts'

const MB = 1024 ** 2

/** A gate before a log that takes requests, and a client whose requests come to it. */
function start(isReady = true, movedTime: LogGateParts['movedTime'] = () => 0) {
  const state = { isReady, hasPlace: false }
  const taken: Waiting[] = []
  const errors: string[] = []
  let resume: (() => void) | undefined
  const gate = gateTo(taken, {
    isReady: () => state.isReady,
    hasPlace: () => state.hasPlace,
    movedTime,
  })
  const client = {
    owed: 0,
    owedBytes: 0,
    unread: { waits: false },
    reply: { muted: false, error: (text: string) => errors.push(text) },
    postpone: () => {
      resume = undefined
      return () => {
        resume = () => {}
      }
    },
    answer: (_: boolean, run: () => void) => {
      run()
      return true
    },
  } as unknown as Client
  const write = (value: string): void => {
    expect(gate.holds(client, ['SET', 'key', value], true)).toBe(true)
  }
  const answerAll = (): void => {
    for (const waiting of taken.splice(0))
      if (waiting.kind === 'request') gate.answer(waiting, () => {})
  }
  return {
    taken,
    write,
    answerAll,
    client,
    gate,
    state,
    errors,
    goesOn: () => resume !== undefined,
  }
}

test.each([
  ['short requests', 'x', 2000],
  ['long requests', 'x'.repeat(MB), 4],
])(
  'a client has so many %s on their way, and is then held back until all are replied to',
  (_, value, most) => {
    const { taken, write, answerAll, client, goesOn } = start()
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i <= most; i++) write(value)
      expect(taken.length).toBe(most)
      expect(client.owedBytes).toBeGreaterThanOrEqual(most * value.length)
      expect(goesOn()).toBe(false)
      answerAll()
      expect(goesOn()).toBe(true)
      expect(client.owedBytes).toBe(0)
    }
  },
)

test('a client has one long move of a directory on its way, and other moves as before', () => {
  // What a move of each directory takes, in milliseconds; other keys are not there.
  const times: Record<string, number> = { long: 25, short: 0.05, file: 0 }
  const { taken, answerAll, client, gate, goesOn } = start(true, ([, from]) => times[String(from)])
  const move = (from: string): void => {
    expect(gate.holds(client, ['RENAME', from, 'to'], true)).toBe(true)
  }
  for (const from of ['file', 'short', 'missing', 'file']) move(from)
  expect(taken).toHaveLength(4)
  move('long')
  expect([taken.length, goesOn()]).toEqual([4, false])
  answerAll()
  expect(goesOn()).toBe(true)
  move('long')
  expect(taken).toHaveLength(1)
  // The first may bring it there.
  move('missing')
  expect([taken.length, goesOn()]).toEqual([1, false])
  answerAll()
  expect(goesOn()).toBe(true)
  // So may a request that is long.
  gate.holds(client, ['MSET', 'missing/a', 'x'.repeat(4096)], true)
  move('missing')
  expect(taken).toHaveLength(1)
})

test('a write waits until the node is ready, and its client may half-close meanwhile', () => {
  const { taken, write, client, gate, state, goesOn } = start(false)
  write('x')
  // Who is owed a reply is not closed.
  expect([taken.length, client.owed, goesOn()]).toEqual([0, 1, false])
  state.isReady = true
  gate.release()
  expect([client.owed, goesOn()]).toEqual([0, true])
  write('x')
  expect([taken.length, client.owed]).toEqual([1, 1])
})

test('a write waits for the node no longer than a write may, and neither do those behind it', () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const { taken, write, client, gate, state, goesOn, errors } = start(false)
  const received = (bytes: number): void => void Object.assign(client, { receivedBytes: bytes })
  received(100)
  write('x')
  vi.advanceTimersByTime(999)
  expect(goesOn()).toBe(false)
  vi.advanceTimersByTime(1)
  expect([client.owed, goesOn(), errors]).toEqual([0, true, []])
  // It is served again, and what has come with it.
  for (let i = 1; i <= 3; i++) {
    write('x')
    expect(errors).toEqual(Array(i).fill('CLUSTERDOWN this node has no place among the nodes yet'))
  }
  // What comes later waits anew, and longer than that once the node has a place.
  received(200)
  write('x')
  expect([errors.length, client.owed]).toEqual([3, 1])
  state.hasPlace = true
  vi.advanceTimersByTime(4500)
  expect([errors.length, client.owed]).toEqual([3, 1])
  state.isReady = true
  gate.release()
  write('x')
  vi.advanceTimersByTime(5000)
  expect([errors.length, taken.length]).toEqual([3, 1])
})

/** What becomes of a read that waits for the log. */
const endsOfRead: [
  string,
  (read: { learn(): void; serve(): void; postponed: PostponedRequest }) => void,
][] = [
  ['is served', ({ learn, serve }) => [learn(), serve()]],
  ['is refused before the gate is asked', ({ learn, postponed }) => [learn(), refuse(postponed)]],
  [
    'is refused when its client has read its replies',
    ({ learn, postponed }) => [postponed.lapse(), learn(), refuse(postponed)],
  ],
  [
    'may go on, and is refused when its client has read its replies',
    ({ learn, postponed }) => [learn(), postponed.lapse(), refuse(postponed)],
  ],
  [
    'is dropped when its client has to read its replies',
    ({ learn, postponed }) => [postponed.lapse(), learn(), postponed.drop()],
  ],
]

test.each(endsOfRead)(
  'a read that waits for the log and %s leaves no other read without the question',
  (_, end) => {
    const asked: ((failure: string | undefined) => void)[] = []
    const gate = new LogGate({
      isReady: () => true,
      isStrict: () => true,
      isRead: () => true,
      barrier: { add: (learn: (failure: string | undefined) => void) => asked.push(learn) },
    } as unknown as LogGateParts)
    const postponed = new PostponedRequest()
    const client = {
      ...{ owed: 0, receivedBytes: 1, replyMode: 'on', reply: { muted: false } },
      postpone(args: RequestArguments, _: () => void, onOver: () => void) {
        postponed.put(args, this as unknown as Client, onOver)
        return () => {}
      },
    } as unknown as Client
    const read = (receivedBytes: number, args: RequestArguments): boolean => {
      Object.assign(client, { receivedBytes })
      return gate.holds(client, args, false)
    }
    expect(read(1, ['GET', 'x'])).toBe(true)
    Object.assign(client, { receivedBytes: 2 })
    const onRequest = (args: RequestArguments): void =>
      expect(gate.holds(client, args, false)).toBe(false)
    end({
      learn: () => asked[0](undefined),
      serve: () => postponed.serve({ expiryWait: undefined, onRequest }),
      postponed,
    })
    expect([read(3, ['GET', 'x']), asked.length]).toEqual([true, 2])
  },
)

test('a client gets its replies in order, also if a later one is refused first', () => {
  const { taken, write, client, gate, errors } = start()
  for (const value of ['1', '2', '3', '4', '5', '6']) write(value)
  const [first, second, third, fourth, fifth, sixth] = taken.splice(0)
  gate.refuse([fifth], 'fifth')
  gate.refuse([second, third], 'second or third')
  expect([errors, client.owed]).toEqual([[], 6])
  if (first.kind === 'request') gate.answer(first, () => errors.push('ran'))
  const until = ['ran', 'second or third', 'second or third']
  expect([errors, client.owed]).toEqual([until, 3])
  gate.refuse([fourth], 'fourth')
  gate.refuse([sixth], 'sixth')
  expect([errors, client.owed]).toEqual([[...until, 'fourth', 'fifth', 'sixth'], 0])
})

test('a request that copies a value waits until its client is owed nothing, and the log has how long the value may be', () => {
  const taken: Waiting[] = []
  const gate = gateTo(taken, { copyBound: ([name]) => (name === 'COPY' ? 7 : undefined) })
  const later: (readonly string[])[] = []
  const client = {
    ...{ owed: 0, owedBytes: 0, reply: { muted: false } },
    postpone: (args: readonly string[]) => () => later.push(args),
    answer: () => true,
  } as unknown as Client
  const send = (...args: [string, ...string[]]): void => void gate.holds(client, args, true)
  const bounds = (): unknown[] =>
    taken.map((waiting) => waiting.kind === 'request' && waiting.copyBound)
  send('APPEND', 'a', 'x')
  send('APPEND', 'a', 'x')
  send('COPY', 'a', 'b')
  expect([bounds(), later]).toEqual([[undefined, undefined], []])
  for (const waiting of taken.splice(0))
    if (waiting.kind === 'request') gate.answer(waiting, () => {})
  expect(later).toEqual([['COPY', 'a', 'b']])
  send('COPY', 'a', 'b')
  send('APPEND', 'a', 'x')
  expect(bounds()).toEqual([7, undefined])
})

test.each([
  ['a request', false],
  ['an EXEC', true],
])(
  '%s counts for its client as what it has sent, and not as what the tree may come to have',
  (_, isExec) => {
    const taken: Waiting[] = []
    const gate = gateTo(taken, {
      takes: () => 500 * MB,
      takesExec: () => 500 * MB,
      takeOrdered: () => [],
    })
    const transaction = new Transaction()
    transaction.add(['COPY', 'a', 'b'], { writes: true, ordered: true, grows: true })
    const client = {
      ...{ owed: 0, owedBytes: 0, reply: { muted: false } },
      transaction: isExec ? transaction : undefined,
      block: () => () => {},
    } as unknown as Client
    expect(gate.holds(client, isExec ? ['EXEC'] : ['COPY', 'a', 'b'], true)).toBe(true)
    expect(taken).toMatchObject([{ bytes: 500 * MB }])
    expect(client.owedBytes).toBeLessThan(1000)
  },
)
