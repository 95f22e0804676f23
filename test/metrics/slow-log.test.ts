import { expect, test, vi } from 'vitest'
import { AclLog, type DeniedClient, type DeniedRequest } from '../../src/access/acl-log.ts'
import { Config } from '../../src/config/config.ts'
import { SlowLog } from '../../src/metrics/slow-log.ts'
import { ManualClock } from '../../src/store/clock.ts'
import { usedMemory } from '../server/memory.ts'

const CLIENT = { address: '127.0.0.1:1', name: '' }

test('the slow log keeps the newest, and shows them first', () => {
  const config = new Config()
  config.set('slowlog-log-slower-than', ['0'])
  const log = new SlowLog(config, new ManualClock(), 1_000_000)
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

test('the slow log takes so much memory, whatever its length', () => {
  const config = new Config()
  config.set('slowlog-log-slower-than', ['0'])
  config.set('slowlog-max-len', ['1000000'])
  const log = new SlowLog(config, new ManualClock(), 100_000)
  const request = Array<string>(40).fill('x'.repeat(1000))
  for (let i = 0; i < 1000; i++) log.add(CLIENT, request, [], 1)
  expect(log.length).toBeLessThan(25)
  expect(log.length).toBeGreaterThan(10)
  expect(log.latest(1)[0].id).toBe(999)
  for (let i = 0; i < 1000; i++) log.add(CLIENT, ['PING'], [], 1)
  expect(log.length).toBeGreaterThan(200)
})

/** @param describe makes what the entry tells of the client */
function addDenied(
  log: AclLog,
  denied: Omit<DeniedRequest, 'context'>,
  client: DeniedClient = { id: 1, name: '', lastCommand: 'get' },
  describe = (_: DeniedClient): string => '',
): void {
  log.add({ ...denied, context: 'toplevel' }, client, describe)
}

test('ACL LOG takes so much memory, whatever its length', () => {
  const config = new Config()
  config.set('acllog-max-len', ['1000000'])
  const log = new AclLog(config, new ManualClock(), 100_000)
  const add = (i: number): void =>
    addDenied(log, { reason: 'key', object: `${i}`.padEnd(900), username: 'u' })
  for (let i = 0; i < 1000; i++) add(i)
  expect(log.latest(Infinity).length).toBeLessThan(100)
  expect(log.latest(Infinity).length).toBeGreaterThan(50)
  for (let i = 0; i < 1000; i++) add(999)
  expect(log.latest(1)[0]).toMatchObject({ count: 1001 })
  expect(log.latest(Infinity).length).toBeGreaterThan(50)
  log.clear()
  add(1)
  expect(log.latest(9)).toHaveLength(1)
})

test('ACL LOG keeps the newest entries, and counts those that are alike', () => {
  const config = new Config()
  config.set('acllog-max-len', ['20'])
  const log = new AclLog(config, new ManualClock(), 100_000)
  const add = (object: string): void => addDenied(log, { reason: 'key', object, username: 'u' })
  for (let i = 0; i < 100; i++) add(`${i}`)
  expect(log.latest(Infinity).map(({ object }) => Number(object))).toEqual(
    Array.from({ length: 20 }, (_, i) => 99 - i),
  )
  add('95')
  expect(log.latest(2)).toMatchObject([
    { object: '95', count: 2 },
    { object: '99', count: 1 },
  ])
  // Not among the newest ten.
  add('85')
  expect(log.latest(Infinity)).toHaveLength(20)
  expect(log.latest(1)).toMatchObject([{ object: '85', count: 1 }])
})

test('a client whose requests are denied over and over is described once a millisecond, and when it changes', () => {
  const clock = new ManualClock()
  const log = new AclLog(new Config(), clock, 100_000)
  let described = 0
  const add = (lastCommand: string, name = '', id = 1): void => {
    const client = { id, name, lastCommand }
    addDenied(log, { reason: 'key', object: 'a', username: 'u' }, client, () => `${++described}`)
  }
  const told = (): object => {
    const [{ client, count, id, name, lastCommand }] = log.latest(1)
    return { client, count, of: [id, name, lastCommand] }
  }
  for (let i = 0; i < 1000; i++) add('get')
  expect(told()).toEqual({ client: '1', count: 1000, of: [1, '', 'get'] })
  add('set')
  expect(told()).toEqual({ client: '2', count: 1001, of: [1, '', 'set'] })
  add('set', 'n')
  expect(told()).toEqual({ client: '3', count: 1002, of: [1, 'n', 'set'] })
  add('set', 'n', 2)
  expect(told()).toEqual({ client: '4', count: 1003, of: [2, 'n', 'set'] })
  clock.advance(1)
  add('set', 'n', 2)
  expect(told()).toEqual({ client: '5', count: 1004, of: [2, 'n', 'set'] })
})

test('an entry of a long ACL LOG moves none of the others', () => {
  const config = new Config()
  config.set('acllog-max-len', ['1000000'])
  const log = new AclLog(config, new ManualClock(), 100_000_000)
  const unshift = vi.spyOn(Array.prototype, 'unshift')
  const splice = vi.spyOn(Array.prototype, 'splice')
  for (let i = 0; i < 1000; i++) {
    addDenied(log, { reason: 'auth', object: 'auth', username: `${i}` })
  }
  expect(unshift.mock.calls.length + splice.mock.calls.length).toBe(0)
  vi.restoreAllMocks()
})

test('the slow log keeps no text that its arguments are cut from', () => {
  const config = new Config()
  config.set('slowlog-log-slower-than', ['0'])
  config.set('slowlog-max-len', ['1000000'])
  const log = new SlowLog(config, new ManualClock(), 8 * 1024 ** 2)
  const before = usedMemory()
  for (let i = 0; i < 10_000; i++) {
    const text = Buffer.alloc(4096, `${i} `).toString('latin1')
    log.add(CLIENT, ['GET', text.slice(100, 125)], [], 1)
  }
  expect(usedMemory() - before).toBeLessThan(6 * 1024 ** 2)
  expect(log.length).toBe(10_000)
})
