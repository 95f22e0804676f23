import { pino } from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GroupTime } from '../../src/cluster/group-time.ts'
import { LogClock } from '../../src/cluster/log-clock.ts'
import type { WaitingExpiry } from '../../src/cluster/waiting.ts'
import { ManualClock } from '../../src/store/clock.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
})
afterEach(() => vi.useRealTimers())

const START = 1_000_000

/** A node called n that has joined at revision 10 beside others. */
function join(...others: { id: string; name: string; place: string | undefined }[]) {
  const machine = new ManualClock(START)
  const clock = new LogClock(machine)
  const added: WaitingExpiry[] = []
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
    add: (waiting) => void added.push(waiting),
    onReached: () => {},
  })
  let revision = 11
  /** Runs what this node has put into the log. */
  const land = (): void => {
    for (const waiting of added.splice(0)) {
      clock.reach(waiting.time)
      time.hear('self', revision++, waiting.time)
      waiting.done(true)
    }
  }
  /** Another node's entry. */
  const hear = (node: string, at: number): void => {
    clock.reach(at)
    time.hear(node, revision++, at)
  }
  /** What etcd tells: the times that nodes tell of themselves. */
  const see = (...times: unknown[]): void => {
    const nodes = times.map((each) => ({
      ...{ key: Buffer.alloc(0), create_revision: 1, mod_revision: 1, lease: 0 },
      value: Buffer.from(JSON.stringify({ time: each })),
    }))
    time.see({ nodes })
  }
  time.join({ node: 'self', lease: 1, revision: 10 })
  const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)
  return { machine, clock, time, added, lines, land, hear, see, settle }
}

const OTHER = { id: 'a', name: 'a', place: 'there' }

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

test('a machine whose clock goes ahead is told of once, and one that is noisy never', async () => {
  const { machine, added, land, see, settle } = join()
  land()
  await settle()
  for (const noise of [20, 50, 5, 40]) {
    await vi.advanceTimersByTimeAsync(2000)
    machine.jump(noise)
    see(machine.now())
    machine.jump(-noise)
    see(machine.now())
  }
  expect(added).toEqual([])
  machine.jump(6000)
  for (let looks = 0; looks < 3; looks++) see()
  expect(added.map(({ count, time }) => [count, time])).toEqual([[0, START + 6000]])
  land()
  for (let looks = 0; looks < 10; looks++) {
    await vi.advanceTimersByTimeAsync(500)
    see()
  }
  expect(added).toEqual([])
})

test('a clock that goes on ahead is told of once a second at most, also where etcd takes nothing', async () => {
  const { machine, added, land, see, settle } = join()
  land()
  await settle()
  await vi.advanceTimersByTimeAsync(1000)
  let told = 0
  for (let looks = 0; looks < 20; looks++) {
    machine.jump(100)
    see()
    told += added.length
    land()
    await vi.advanceTimersByTimeAsync(500)
  }
  expect(told).toBe(10)
  for (let looks = 0; looks < 20; looks++) {
    machine.jump(100)
    see()
    await vi.advanceTimersByTimeAsync(500)
  }
  expect(added).toHaveLength(1)
})

test('a node that sees a later time goes there, and asks if it was far behind', async () => {
  const { clock, time, added, lines, land, hear, see, settle } = join(OTHER)
  land()
  hear('a', START)
  await settle()
  see(START + 200, undefined, 'x', 1e300)
  expect([clock.now(), clock.logTime, time.isReached]).toEqual([START + 200, START, true])
  see(START + 6000, START)
  expect([clock.now(), clock.logTime, time.isReached]).toEqual([START + 6000, START, false])
  expect(lines.join()).toContain('was 5800 ms behind')
  expect(added.map(({ count, time }) => [count, time])).toEqual([[0, 0]])
  see(START + 9000)
  land()
  await settle()
  // Its own question is none to it.
  expect([added.length, time.isReached]).toEqual([0, false])
  hear('a', START + 9500)
  await settle()
  expect([clock.now(), time.isReached]).toEqual([START + 9500, true])
})

test('a question is answered like the first batch of a node that joins, and tells no time itself', async () => {
  const { time, added, land, hear, settle } = join(OTHER)
  land()
  hear('a', 0)
  await settle()
  expect(time.isReached).toBe(false)
  expect(added.map(({ time }) => time)).toEqual([START])
  land()
  time.greet({ node: 'b' })
  expect(added.map(({ time }) => time)).toEqual([START])
})
