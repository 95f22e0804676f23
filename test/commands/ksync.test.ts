import { expect, test } from 'vitest'
import { ksyncCommands } from '../../src/commands/tree/ksync.ts'
import { Applier, silentClient } from '../../src/log/apply.ts'
import { ServerClock } from '../../src/request/clock.ts'
import type { Group } from '../../src/request/group.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { Store } from '../../src/store/store.ts'

/** A client of a node that never catches up, and what becomes of its KSYNC. */
function syncing(options: [string, string][]) {
  const clock = new ManualClock()
  const { server } = new Applier(new Store({ clock: new ServerClock(clock) }))
  const signals: (AbortSignal | undefined)[] = []
  const group: Partial<Group> = {
    sync: (signal) => {
      signals.push(signal)
      return new Promise(() => {})
    },
  }
  let leave = (): void => {}
  let resumed = 0
  const client = Object.assign(silentClient(Object.assign(Object.create(server), { group })), {
    executing: false,
    block: (onGone: () => void) => {
      leave = onGone
      return () => void resumed++
    },
  })
  ksyncCommands[0].run?.(client, ['ksync'] as never, new Map(options) as never)
  const [signal] = signals
  return { clock, signal, leave: () => leave(), resumed: () => resumed }
}

test('KSYNC in a group keeps nothing waiting when it has given up', () => {
  const { clock, signal, resumed } = syncing([['milliseconds', '1000']])
  clock.advance(999)
  expect([signal?.aborted, resumed()]).toEqual([false, 0])
  clock.advance(1)
  expect([signal?.aborted, resumed()]).toEqual([true, 1])
})

test('KSYNC in a group keeps nothing waiting when its client has gone', () => {
  const { signal, leave } = syncing([])
  expect(signal?.aborted).toBe(false)
  leave()
  expect(signal?.aborted).toBe(true)
})
