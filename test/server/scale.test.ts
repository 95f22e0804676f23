import { expect, test } from 'vitest'
import { besidePings, fill, listAll, watchWithMany } from '../../bench/scale.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { eventually, start } from './raw-client.ts'

// `make torture` runs these loads at full size, and measures times.

test('1000 connections that watch a key all get its event', async () => {
  const server = await start()
  await watchWithMany(server.port as number, 1000)
})

test('100 000 keys due at once all expire, and other clients are served meanwhile', async () => {
  const clock = new ManualClock()
  const server = await start({ clock })
  const port = server.port as number
  await fill(port, '/due', 100_000, 'PXAT', clock.now() + 1000)
  expect(server.store.leases).toBe(100_000)
  const { pings } = await besidePings(port, async () => {
    clock.advance(1000)
    expect(server.store.leases).toBeGreaterThan(0)
    await eventually(() => server.store.leases === 0)
  })
  expect(pings).toBeGreaterThan(1)
  expect(server.store.files).toBe(0)
})

test('100 000 nodes can be listed', async () => {
  const server = await start()
  const { bytes } = await listAll(server.port as number, 100_000)
  expect(bytes).toBeGreaterThan(100_000 * 50)
})
