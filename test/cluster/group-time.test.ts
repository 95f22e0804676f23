import { pino } from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GroupTime } from '../../src/cluster/group-time.ts'
import { LogClock } from '../../src/cluster/log-clock.ts'
import { ManualClock } from '../../src/store/clock.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
})
afterEach(() => vi.useRealTimers())

const START = 1_000_000

/** A node called n that has joined at revision 10 beside others. */
function join(...others: { id: string; name: string; place: string | undefined }[]) {
  const clock = new LogClock(new ManualClock(START))
  const lines: string[] = []
  const time = new GroupTime({
    clock,
    logger: pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }),
    membership: () => ({ node: 'self', lease: 1, revision: 10 }),
    self: () => ({ name: 'n', place: 'here' }),
    nodes: async () => [
      { id: 'self', name: 'n', address: 'at-self', place: 'here', isSelf: true },
      ...others.map((other) => ({ ...other, address: `at-${other.id}`, isSelf: false })),
    ],
    timeout: () => 5000,
    add: () => {},
    onReached: () => {},
  })
  let revision = 11
  /** Another node's entry. */
  const hear = (node: string, at: number): void => {
    clock.reach(at)
    time.hear(node, revision++)
  }
  time.join({ node: 'self', lease: 1, revision: 10 })
  const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)
  return { time, lines, hear, settle }
}

test('a node waits for one of its name elsewhere, and warns of it', async () => {
  for (const place of ['there', undefined]) {
    const { time, hear, lines, settle } = join({ id: 'a', name: 'n', place })
    await settle()
    expect(time.isReached).toBe(false)
    hear('a', START + 8000)
    await settle()
    expect(time.isReached).toBe(true)
    expect(lines.join()).toContain('another node, at at-a, is called n, too')
  }
})

test('it does not wait for one that had its place, and so has gone, nor warn of one that says nothing', async () => {
  const gone = join({ id: 'a', name: 'n', place: 'here' })
  await gone.settle()
  expect([gone.time.isReached, gone.lines]).toEqual([true, []])
  const silent = join({ id: 'a', name: 'n', place: 'there' })
  await vi.advanceTimersByTimeAsync(5000)
  expect([silent.time.isReached, silent.lines]).toEqual([true, []])
})
