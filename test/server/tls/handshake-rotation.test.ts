import type { Socket } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { HandshakeRotation } from '../../../src/server/tls/handshake-rotation.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Sockets that note whether they are read from. */
function scene(count: number) {
  const rotation = new HandshakeRotation()
  const reading = new Set<number>()
  const sockets = Array.from({ length: count }, (_, i) => {
    reading.add(i)
    const handle = { readStart: () => reading.add(i), readStop: () => reading.delete(i) }
    return { _handle: handle } as unknown as Socket
  })
  for (const socket of sockets) rotation.add(socket)
  return { rotation, sockets, reading }
}

test('two handshakes are read from at a time, and all get their turn', () => {
  const { reading } = scene(5)
  expect([...reading]).toEqual([0, 1])
  const seen = new Set(reading)
  for (let turn = 0; turn < 5; turn++) {
    vi.advanceTimersByTime(1)
    expect(reading.size).toBe(2)
    for (const one of reading) seen.add(one)
  }
  expect(seen.size).toBe(5)
})

test('one that is over makes room for the next, and goes on being read from', () => {
  const { rotation, sockets, reading } = scene(4)
  rotation.remove(sockets[0])
  expect([...reading].sort()).toEqual([0, 1, 2])
  rotation.remove(sockets[0])
  rotation.remove(sockets[3])
  expect(vi.getTimerCount()).toBe(0)
  vi.advanceTimersByTime(10)
  expect([...reading].sort()).toEqual([0, 1, 2])
})

test('a socket that has been closed is no trouble', () => {
  const { rotation, sockets, reading } = scene(4)
  for (const socket of sockets) Object.assign(socket, { _handle: null })
  vi.advanceTimersByTime(10)
  for (const socket of sockets) rotation.remove(socket)
  expect([reading.size, vi.getTimerCount()]).toEqual([2, 0])
})
