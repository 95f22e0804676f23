import { performance } from 'node:perf_hooks'
import { afterEach, expect, test, vi } from 'vitest'
import { CommandError } from '../../src/request/arguments/errors.ts'
import type { Client } from '../../src/request/client.ts'
import { expireFirst } from '../../src/request/expiry-slice.ts'
import { PUT_OFF } from '../../src/request/long-work.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'

/** Each expiry takes one of the milliseconds that slices are measured in. */
const MAX_TURNS = 200

afterEach(() => {
  vi.restoreAllMocks()
})

/**
 * A request that waits until nodes have expired, while others make some in each turn.
 *
 * @param before nodes that are due when the request comes
 * @param perTurn nodes that become due in each turn
 * @returns how the wait ended, and after how many turns
 */
function wait(before: number, perTurn: number) {
  const clock = new ManualClock()
  const store = new Store({ clock })
  let expired = 0
  vi.spyOn(performance, 'now').mockImplementation(() => expired)
  store.hub.addEverywhere(({ action }) => {
    if (action === 'expire') expired++
  })
  let made = 0
  const make = (count: number): void => {
    for (let i = 0; i < count; i++) store.set(`/n${made++}`, '', { expireTime: clock.now() + 1 })
    clock.advance(1)
  }
  const recorder = { isRunning: false, begin: () => {}, endExpiry: () => {} }
  const longWork = { unlimited: false, check: () => {}, note: () => {} }
  const server = { store, clock, longWork, persistence: { recorder } }
  const client = { server, executing: false } as unknown as Client
  make(before)
  for (let turns = 1; turns <= MAX_TURNS; turns++) {
    const begun = expired
    try {
      expireFirst(client)
      return { end: 'runs', turns, last: expired - begun }
    } catch (error) {
      if (error instanceof CommandError) return { end: error.message, turns, last: 0 }
      if (error !== PUT_OFF) throw error
    }
    make(perTurn)
  }
  return { end: 'waits for ever', turns: MAX_TURNS, last: 0 }
}

test('a request waits for what is due in slices of 4 ms', () => {
  expect(wait(100, 0)).toEqual({ end: 'runs', turns: 25, last: 4 })
})

test('a request does not wait for ever while others make nodes faster than slices remove them', () => {
  const { end, turns, last } = wait(20, 6)
  expect(end).toBe('runs')
  expect(turns).toBeLessThan(20)
  expect(last).toBeLessThanOrEqual(64)
})

test('a request is refused if nodes become due faster than longer slices can remove them', () => {
  const { end, turns } = wait(20, 100)
  expect(end).toBe('ERR nodes become due faster than they can be removed; try again later')
  expect(turns).toBeLessThan(MAX_TURNS)
})
