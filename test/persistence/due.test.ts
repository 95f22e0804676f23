import { expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { eventually, start } from '../server/raw-client.ts'
import { temporaryDirectory } from './support.ts'

test('nodes that fell due while no server ran expire at the start, before any request', async () => {
  const clock = new ManualClock()
  const directives = { dir: temporaryDirectory(), durability: 'always' }
  const first = await start({ clock, directives })
  const now = clock.now()
  first.store.set('/later', '1', { expireTime: now + 3000 })
  first.store.set('/sooner', '1', { expireTime: now + 2000 })
  first.store.set('/not/yet', '1', { expireTime: now + 60_000 })
  await first.close()
  clock.advance(5000)
  const second = await start({ clock, directives })
  clock.advance(1)
  // On a slow machine they expire in more than one slice.
  await eventually(() => second.store.files === 1)
  const events = [...second.store.history].slice(-2)
  expect(events.map(({ action, node, index }) => [action, node.key, index])).toEqual([
    ['expire', '/sooner', 4],
    ['expire', '/later', 5],
  ])
  clock.advance(55_000)
  await eventually(() => second.store.files === 0)
})
