import { afterEach, expect, test, vi } from 'vitest'
import { censusOf } from '../../src/commands/server/client-census.ts'
import type { Client } from '../../src/request/client.ts'

afterEach(() => vi.useRealTimers())

test('clients are counted again only after ten times as long as it took', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const client = {
    channelCount: 1,
    patternCount: 0,
    bufferedInput: 7,
    bufferedOutput: 9,
    get blocked() {
      vi.advanceTimersByTime(1)
      return true
    },
  } as unknown as Client
  const clients = new Map([
    [1, client],
    [2, client],
  ])
  const census = censusOf(clients)
  expect(census).toEqual({
    ...{ blocked: 2, subscribers: 2 },
    ...{ input: 14, largestInput: 7, output: 18, largestOutput: 9 },
  })
  vi.advanceTimersByTime(19)
  expect(censusOf(clients)).toBe(census)
  vi.advanceTimersByTime(1)
  expect(censusOf(clients)).not.toBe(census)
  expect(censusOf(new Map())).toMatchObject({ blocked: 0 })
})
