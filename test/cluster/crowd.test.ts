import { expect, test } from 'vitest'
import type { Waiting } from '../../src/cluster/waiting.ts'
import type { Client } from '../../src/request/client.ts'
import { Transaction } from '../../src/request/transaction.ts'
import type { RequestArguments } from '../../src/resp/request-arguments.ts'
import { PostponedRequest } from '../../src/server/postponed-request.ts'
import { gateTo, refuse } from './gate-to.ts'

test('writes of all clients on their way take a 64th of the heap; more wait in order, those of clients that have gone excepted', async () => {
  const taken: Waiting[] = []
  const gate = gateTo(taken, { heapLimit: 64 * 1000 })
  const gone = new Map<string, () => void>()
  /** A client with one write. @returns the client */
  const send = (name: string, length: number): Client => {
    const args = ['SET', name, 'x'.repeat(length)] as const
    const client = {
      owed: 0,
      owedBytes: 0,
      unread: { waits: false },
      name,
      reply: { muted: false },
      postpone: (_: unknown, onGone: () => void, onOver: () => void) => {
        gone.set(name, onGone)
        const goOn = (): void => {
          if (gone.has(name)) gate.holds(client, args, true)
          onOver()
        }
        return () => queueMicrotask(goOn)
      },
      answer: () => true,
    } as unknown as Client
    expect(gate.holds(client, args, true)).toBe(true)
    return client
  }
  const names = (): string[] =>
    taken.map((waiting) => ('client' in waiting && waiting.client.name) || '')
  /** Answers the first that is on its way. */
  const answer = async (): Promise<void> => {
    const waiting = taken.shift()
    if (waiting?.kind === 'request') gate.answer(waiting, () => {})
    await new Promise((resolve) => setImmediate(resolve))
  }
  // The first may be longer than all may be together.
  send('a', 5000)
  const held = ['b', 'c', 'd', 'e', 'f'].map((name) => send(name, name === 'c' ? 700 : 100))
  expect([names(), held.map(({ owed }) => owed)]).toEqual([['a'], [1, 1, 1, 1, 1]])
  gone.get('d')?.()
  gone.delete('d')
  await answer()
  // e and f would have room beside b, but c has come before them.
  expect(names()).toEqual(['b'])
  await answer()
  expect(names()).toEqual(['c'])
  await answer()
  expect(names()).toEqual(['e', 'f'])
  await answer()
  await answer()
  expect(held.map(({ owed, owedBytes }) => owed + owedBytes)).toEqual([0, 0, 0, 0, 0])
  send('g', 900)
  expect(names()).toEqual(['g'])
})

test('a write that may go on has its room until it does, and gives it back if it never does', () => {
  const taken: Waiting[] = []
  const gate = gateTo(taken, { heapLimit: 64 * 1000 })
  /** Those that may go on, each with what happens when it does. */
  const woken = new Map<string, { serve(): void; leave(): void }>()
  const send = (name: string, waits = false): void => {
    const args = ['SET', name, 'x'.repeat(200)] as const
    const client = {
      ...{ owed: 0, owedBytes: 0, name, unread: { waits }, reply: { muted: false } },
      postpone: (_: unknown, _onGone: () => void, onOver: () => void) => () => {
        const serve = (): void => void gate.holds(client, args, true)
        woken.set(name, { serve: () => [serve(), onOver()], leave: onOver })
      },
      answer: () => true,
    } as unknown as Client
    gate.holds(client, args, true)
  }
  for (let i = 0; i < 9; i++) send(`${i}`)
  // Each takes 395 bytes, and all together may take 1,000.
  expect([taken.length, woken.size]).toEqual([2, 0])
  for (const waiting of taken.splice(0))
    if (waiting.kind === 'request') gate.answer(waiting, () => {})
  expect([...woken.keys()]).toEqual(['2', '3'])
  woken.get('3')?.leave()
  expect([...woken.keys()]).toEqual(['2', '3', '4'])
  woken.get('2')?.serve()
  woken.get('4')?.serve()
  expect([taken.length, woken.size]).toEqual([2, 3])
  for (const waiting of taken.splice(0))
    if (waiting.kind === 'request') gate.answer(waiting, () => {})
  expect([...woken.keys()]).toEqual(['2', '3', '4', '5', '6'])
  // Who has to read replies before the write goes on, and may never do, has no room.
  send('reader', true)
  send('last')
  for (const name of ['5', '6', '7', '8']) woken.get(name)?.leave()
  expect([...woken.keys()].slice(5)).toEqual(['7', '8', 'reader', 'last'])
})

test.each([
  ['COPY', false],
  ['APPEND', false],
  ['an EXEC with COPY', true],
])(
  'a write that takes more by the time that it goes on waits anew, before the others (%s)',
  async (name, isExec) => {
    const taken: Waiting[] = []
    let length = 100
    const gate = gateTo(taken, {
      heapLimit: 64 * 1000,
      takes: ([name]) => (name === 'SET' ? 300 : length),
      takesExec: () => length,
      copyBound: ([name]) => (name === 'COPY' ? length : undefined),
      takeOrdered: () => [],
    })
    const send = (name: string, args: RequestArguments): void => {
      const client = {
        ...{ owed: 0, owedBytes: 0, name, unread: { waits: false }, reply: { muted: false } },
        transaction: args[0] === 'EXEC' ? new Transaction() : undefined,
        block: () => () => {},
        postpone: (_: unknown, _onGone: () => void, onOver: () => void) => () => {
          queueMicrotask(() => [gate.holds(client, args, true), onOver()])
        },
        answer: () => true,
      } as unknown as Client
      gate.holds(client, args, true)
    }
    const onWay = (): string[] =>
      taken.map((waiting) => ('client' in waiting && waiting.client.name) || '')
    /** Answers all that are on their way. */
    const answer = async (): Promise<void> => {
      for (const waiting of taken.splice(0))
        if (waiting.kind !== 'expire') gate.answer(waiting, () => {})
      await new Promise((resolve) => setImmediate(resolve))
    }
    const first: RequestArguments = ['SET', 'k', 'x']
    for (const client of ['1', '2', '3']) send(client, first)
    const growing: RequestArguments = isExec ? ['EXEC'] : [name, 'k', 'l']
    for (const client of ['a', 'b', 'c', 'd']) send(client, growing)
    send('last', first)
    expect(onWay()).toEqual(['1', '2', '3', 'a'])
    // All of them have room, as they were counted.
    length = 600
    await answer()
    const bytes = (): number[] =>
      taken.map((waiting) => (waiting.kind === 'expire' ? 0 : waiting.bytes))
    const turns: string[][] = []
    for (; taken.length > 0; await answer()) {
      turns.push(onWay())
      expect(bytes().reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(1000)
    }
    // c has room beside what has not grown.
    expect(turns).toEqual([['c', 'last'], ['b'], ['d']])
  },
)

/** Writes to a gate whose log takes writes of 1,000 bytes together; each waits as one of a connection does. */
function crowd(takes: (args: RequestArguments) => number) {
  const taken: Waiting[] = []
  const gate = gateTo(taken, { heapLimit: 64 * 1000, takes })
  const send = (args: RequestArguments) => {
    const postponed = new PostponedRequest()
    const gone: (() => void)[] = []
    const unread = { waits: false }
    let isAwake = false
    const client = {
      ...{ owed: 0, owedBytes: 0, replyMode: 'on', unread, reply: { muted: false } },
      postpone(held: RequestArguments, onGone: () => void, onOver: () => void) {
        isAwake = false
        postponed.put(held, this as unknown as Client, onOver)
        gone.push(onGone)
        return () => {
          isAwake = true
        }
      },
      answer: () => true,
    } as unknown as Client
    gate.holds(client, args, true)
    return {
      postponed,
      unread,
      leave: () => [postponed.drop(), gone.at(-1)?.()],
      isAwake: () => isAwake,
    }
  }
  const answerAll = (): void => {
    for (const waiting of taken.splice(0))
      if (waiting.kind === 'request') gate.answer(waiting, () => {})
  }
  return { send, taken, answerAll }
}

test('a long write goes on when nothing is on its way, whatever was counted', () => {
  const { send, taken, answerAll } = crowd(([name, bytes]) => (name === 'SET' ? Number(bytes) : 0))
  for (const bytes of ['0.1', '0.2', '0.3']) send(['SET', bytes])
  answerAll()
  send(['SET', '5000'])
  expect(taken.length).toBe(1)
})

test('a client that leaves while its write waits lets the next one go on', () => {
  const { send } = crowd(([, bytes]) => Number(bytes))
  send(['SET', '500'])
  const long = send(['SET', '900'])
  const next = send(['SET', '400'])
  expect(next.isAwake()).toBe(false)
  long.leave()
  expect(next.isAwake()).toBe(true)
})

test.each([
  [
    'is refused',
    ({ postponed }: ReturnType<ReturnType<typeof crowd>['send']>) => refuse(postponed),
  ],
  ['is dropped', ({ postponed }) => postponed.drop()],
  [
    'has to wait once more, and is refused then',
    ({ postponed }) => [postponed.lapse(), refuse(postponed)],
  ],
])(
  'a write whose client has had to read its replies while it waited keeps no room when it %s',
  (_, end) => {
    const { send, taken, answerAll } = crowd(([, bytes]) => Number(bytes))
    send(['SET', '900'])
    const refused = send(['SET', '800'])
    refused.unread.waits = true
    refused.postponed.lapse()
    refused.unread.waits = false
    answerAll()
    expect(refused.isAwake()).toBe(true)
    end(refused)
    send(['SET', '5000'])
    expect(taken.length).toBe(1)
  },
)

test('an EXEC that has waited and is refused lets the next writes go on, as does one that takes less by then', () => {
  const taken: Waiting[] = []
  let length = 900
  const gate = gateTo(taken, {
    heapLimit: 64 * 1000,
    takes: () => 300,
    takesExec: () => length,
    takeOrdered: (client) => (client.name === 'refused' ? undefined : []),
  })
  const woken = new Map<string, () => void>()
  const send = (name: string, args: RequestArguments): void => {
    const client = {
      ...{ owed: 0, owedBytes: 0, name, unread: { waits: false }, reply: { muted: false } },
      transaction: args[0] === 'EXEC' ? new Transaction() : undefined,
      postpone: (_: unknown, _onGone: () => void, onOver: () => void) => () => {
        woken.set(name, () => [gate.holds(client, args, true), onOver()])
      },
      block: () => () => {},
      answer: () => true,
    } as unknown as Client
    gate.holds(client, args, true)
  }
  const goOn = (name: string): void => {
    const serve = woken.get(name)
    woken.delete(name)
    serve?.()
  }
  for (const name of ['refused', 'shorter']) {
    send('first', ['SET', 'a', 'b'])
    send(name, ['EXEC'])
    for (const other of ['x', 'y']) send(other, ['SET', 'a', 'b'])
    expect([taken.length, [...woken.keys()]]).toEqual([1, []])
    const [first] = taken.splice(0)
    if (first.kind === 'request') gate.answer(first, () => {})
    expect([...woken.keys()]).toEqual([name])
    length = 100
    goOn(name)
    expect([...woken.keys()]).toEqual(['x', 'y'])
    for (const other of ['x', 'y']) goOn(other)
    for (const waiting of taken.splice(0)) {
      if (waiting.kind !== 'expire') gate.answer(waiting, () => {})
    }
    length = 900
  }
})
