import { afterEach, expect, test, vi } from 'vitest'
import type { TurnClient } from '../../src/server/turn.ts'
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
