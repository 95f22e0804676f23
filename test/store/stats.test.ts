import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/store/clock.ts'
import { STAT_NAMES, Stats } from '../../src/store/stats.ts'
import { Store } from '../../src/store/store.ts'

/** What an operation added to the counters. */
function counted(run: (store: Store) => unknown): Record<string, number> {
  const clock = new ManualClock()
  const store = new Store({ clock })
  store.set('/file', '1')
  store.set('/directory/below', '1')
  store.set('/lease', '1', { expireTime: clock.now() + 10 })
  store.stats.reset()
  try {
    run(store)
  } catch {
    // Failures are counted too.
  }
  return Object.fromEntries(Object.entries(store.statsMap()).filter(([, count]) => count > 0))
}

const wrong = { prevValue: 'other' }
const right = { prevValue: '1' }

describe('an operation is counted once, as what it was', () => {
  test.each<[string, number, (store: Store) => unknown]>([
    ['getsSuccess', 1, (store) => store.get('/file')],
    ['getsFail', 1, (store) => store.get('/missing')],
    ['setsSuccess', 1, (store) => store.set('/a', '1')],
    ['setsSuccess', 1, (store) => store.setDirectory('/a')],
    ['setsFail', 1, (store) => store.set('/', '1')],
    ['setsFail', 1, (store) => store.set('/directory', '1')],
    ['setsFail', 1, (store) => store.set('/file/below', '1')],
    ['createSuccess', 1, (store) => store.create('/a', '1')],
    ['createSuccess', 1, (store) => store.createDirectory('/a', { unique: true })],
    ['createFail', 1, (store) => store.create('/file', '1')],
    ['createFail', 1, (store) => store.create('/file/below', '1')],
    ['createFail', 1, (store) => store.create('/', '1')],
    ['updateSuccess', 1, (store) => store.update('/file', '2')],
    ['updateFail', 1, (store) => store.update('/', '2')],
    ['updateFail', 1, (store) => store.update('/directory', '2')],
    ['deleteSuccess', 1, (store) => store.delete('/file')],
    ['deleteFail', 1, (store) => store.delete('/')],
    ['deleteFail', 1, (store) => store.delete('/directory')],
    ['compareAndSwapSuccess', 1, (store) => store.compareAndSwap('/file', right, '2')],
    ['compareAndSwapFail', 1, (store) => store.compareAndSwap('/file', wrong, '2')],
    ['compareAndSwapFail', 1, (store) => store.compareAndSwap('/', wrong, '2')],
    ['compareAndDeleteSuccess', 1, (store) => store.compareAndDelete('/file', right)],
    ['compareAndDeleteFail', 1, (store) => store.compareAndDelete('/file', wrong)],
    ['compareAndDeleteFail', 1, (store) => store.compareAndDelete('/directory', wrong)],
    ['expireCount', 1, (store) => store.deleteExpiredKeys(store.clock.now() + 10)],
    ['watchers', 1, (store) => store.watch('/a', {}, () => {})],
  ])('%s +%i: %s', (name, count, run) => {
    expect(counted(run)).toEqual({ [name]: count })
  })
})

test('the counters as JSON bear etcd’s names', () => {
  const json = new Store().jsonStats()
  expect(Object.keys(JSON.parse(json))).toEqual([...STAT_NAMES, 'watchers'])
  expect(STAT_NAMES).toHaveLength(15)
})

test('a copy goes its own way', () => {
  const stats = new Stats()
  stats.getsFail = 3
  const copy = stats.clone()
  stats.reset()
  expect([stats.getsFail, copy.getsFail]).toEqual([0, 3])
})
