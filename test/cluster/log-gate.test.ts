import { expect, test } from 'vitest'
import { LogGate, type LogGateParts } from '../../src/cluster/log-gate.ts'
import type { Waiting } from '../../src/cluster/waiting.ts'
import type { Client } from '../../src/request/client.ts'

const MB = 1024 ** 2

/** A gate before a log that takes requests, and a client whose requests come to it. */
function start(isReady = true) {
  const state = { isReady }
  const taken: Waiting[] = []
  let resume: (() => void) | undefined
  const gate = new LogGate({
    clock: { now: () => 1 },
    timeout: () => 1000,
    add: (waiting: Waiting) => taken.push(waiting),
    isReady: () => state.isReady,
    isStrict: () => false,
  } as unknown as LogGateParts)
  const client = {
    owed: 0,
    owedBytes: 0,
    reply: { muted: false },
    postpone: () => {
      resume = undefined
      return () => {
        resume = () => {}
      }
    },
    answer: () => true,
  } as unknown as Client
  const write = (value: string): void => {
    expect(gate.holds(client, ['SET', 'key', value], true)).toBe(true)
  }
  const answerAll = (): void => {
    for (const { kind } of taken.splice(0))
      if (kind === 'request') gate.answer(client, false, () => {})
  }
  return { taken, write, answerAll, client, gate, state, goesOn: () => resume !== undefined }
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
