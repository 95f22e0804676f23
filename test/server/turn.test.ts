import { afterEach, expect, test, vi } from 'vitest'
import type { Turn, TurnClient } from '../../src/server/turn.ts'
import { turnOf } from './fake-turn.ts'

const TURNS = 60
const LARGE = Buffer.alloc(8192)
const ignore = (): void => undefined

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

/** Turns that each accept a connection and serve a busy client. @returns in how many it gets its replies */
function turnsWithReplies(millisecondsToServe: number, where: 'gathered' | 'at once'): number {
  let now = 1000
  let ends: (() => void)[] = []
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  vi.stubGlobal('setImmediate', (end: () => void) => ends.push(end))
  let unsent = false
  let turns = 0
  const client: TurnClient = {
    bufferedInput: 0,
    yieldWith: () => false,
    take: ignore,
    serveTaken() {
      now += millisecondsToServe
      if (!unsent) turn.queueFlush(client)
      unsent = true
    },
    flush() {
      unsent = false
      turns++
    },
    readOrPause: ignore,
    fail(error) {
      throw error
    },
  }
  const clock = {
    begin: ignore,
    end: ignore,
    get lastLap() {
      return now
    },
  }
  const turn = turnOf(clock, client)
  for (let i = 0; i < TURNS; i++) {
    turn.accepted()
    turn.receive(client, LARGE, where === 'gathered' ? 1 : LARGE.length)
    const due = ends
    ends = []
    for (const end of due) end()
  }
  return turns
}

test('replies wait for connections that are being accepted', () => {
  expect(turnsWithReplies(0.1, 'at once')).toBe(0)
  expect(turnsWithReplies(0.1, 'gathered')).toBe(0)
})

test('replies wait no longer than some milliseconds, however many connections come', () => {
  expect(turnsWithReplies(100, 'at once')).toBeGreaterThan(TURNS / 3)
})

/** A client, whose socket is read up to 32 times in a row. */
class Sender implements TurnClient {
  readonly bufferedInput = 0
  reads = 0
  isPaused = false
  readonly yieldWith = () => false
  readonly take = ignore
  readonly serveTaken = ignore
  readonly flush = ignore
  readonly #turn: () => Turn

  constructor(turn: () => Turn) {
    this.#turn = turn
  }

  fail(error: unknown): void {
    throw error
  }

  readOrPause(): void {
    this.isPaused = this.#turn().rests(this)
  }

  /** @param chunk the buffer that is read into @param length of each read */
  send(chunk: Buffer, length: number): void {
    for (let i = 0; i < 32 && !this.isPaused; i++) {
      this.reads++
      this.#turn().receive(this, chunk, length)
      // Its requests are served at once, which would have it read from again.
      this.readOrPause()
    }
  }
}

test('clients that send without end are read from in turn, so that a turn reads little however many they are', () => {
  let ends: (() => void)[] = []
  vi.stubGlobal('setImmediate', (end: () => void) => ends.push(end))
  const input = Buffer.alloc(256 * 1024)
  const clock = { begin: ignore, end: ignore, lastLap: 0 }
  const senders = Array.from({ length: 100 }, () => new Sender(() => turn))
  const turn = turnOf(clock, senders[0])
  const total = (): number => senders.reduce((sum, { reads }) => sum + reads, 0)
  const readAll = (length: number): number => {
    const before = total()
    for (const sender of senders) sender.send(input, length)
    const due = ends
    ends = []
    for (const end of due) end()
    return total() - before
  }
  // Each is read once before it is known that there is more.
  expect(readAll(input.length)).toBeLessThanOrEqual(104)
  for (let i = 0; i < 200; i++) expect(readAll(input.length)).toBeLessThanOrEqual(8)
  expect(Math.min(...senders.map(({ reads }) => reads))).toBeGreaterThanOrEqual(8)
  // Nobody is left behind when they send less.
  while (senders.some((sender) => turn.rests(sender))) readAll(0)
  expect([senders.some(({ isPaused }) => isPaused), readAll(100)]).toEqual([false, 3200])
})

test('a client with short requests does not rest, though each chunk of a TLS socket is as long as its buffer', () => {
  let ends: (() => void)[] = []
  vi.stubGlobal('setImmediate', (end: () => void) => ends.push(end))
  const record = Buffer.alloc(16 * 1024)
  const ping = Buffer.from('PING\r\n')
  const sender = new Sender(() => turn)
  const senders = Array.from({ length: 100 }, () => new Sender(() => turn))
  const turn = turnOf({ begin: ignore, end: ignore, lastLap: 0 }, sender)
  let records = 0
  for (let i = 0; i < 50; i++) {
    const before = senders.reduce((sum, { reads }) => sum + reads, 0)
    for (const busy of senders) busy.send(record, record.length)
    records = senders.reduce((sum, { reads }) => sum + reads, 0) - before
    turn.receive(sender, ping, ping.length)
    expect(turn.rests(sender)).toBe(false)
    const due = ends
    ends = []
    for (const end of due) end()
  }
  // The clients with long requests do rest: four are read again in a turn, 32 times at most.
  expect(records).toBeLessThanOrEqual(128)
})
