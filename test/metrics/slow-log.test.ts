import { expect, test } from 'vitest'
import { Config } from '../../src/config/config.ts'
import { SlowLog } from '../../src/metrics/slow-log.ts'
import { ManualClock } from '../../src/store/clock.ts'

const CLIENT = { address: '127.0.0.1:1', name: '' }

test('the slow log keeps the newest, and shows them first', () => {
  const config = new Config()
  config.set('slowlog-log-slower-than', ['0'])
  const log = new SlowLog(config, new ManualClock())
  const ids = (count = Number.POSITIVE_INFINITY): number[] => log.latest(count).map(({ id }) => id)
  const add = (count: number): void => {
    for (let i = 0; i < count; i++) log.add(CLIENT, ['PING'], [], 1)
  }
  config.set('slowlog-max-len', ['3'])
  expect(ids()).toEqual([])
  add(2)
  expect([ids(), log.length]).toEqual([[1, 0], 2])
  for (let newest = 2; newest < 20; newest++) {
    add(1)
    expect([ids(), log.length]).toEqual([[newest, newest - 1, newest - 2], 3])
  }
  expect([ids(2), ids(0)]).toEqual([[19, 18], []])
  config.set('slowlog-max-len', ['1'])
  expect(ids()).toEqual([19])
  log.clear()
  expect([ids(), log.length]).toEqual([[], 0])
  add(1)
  expect(ids()).toEqual([20])
  config.set('slowlog-max-len', ['0'])
  add(1)
  expect([ids(), log.length]).toEqual([[], 0])
})
