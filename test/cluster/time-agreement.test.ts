import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { TimeAgreement } from '../../src/cluster/time-agreement.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
})
afterEach(() => vi.useRealTimers())

/** A node that has joined at revision 10. @param lists what etcd lists, time after time; the last one stays */
function join(...lists: (readonly string[] | Error)[]) {
  const did: string[] = []
  const told: (() => void)[] = []
  const asked: ((revision: number | undefined) => void)[] = []
  const agreement = new TimeAgreement({
    others: async () => {
      const list = lists.length > 1 ? lists.shift() : lists[0]
      if (list instanceof Error) throw list
      return list ?? []
    },
    tell: (done) => {
      did.push('tells')
      told.push(done)
    },
    ask: (done) => {
      did.push('asks')
      asked.push(done)
    },
    onReached: (heard) => did.push(['is ready', ...heard.keys()].join(' ')),
  })
  void agreement.reach({ revision: 10 })
  return { agreement, did, told, asked }
}

const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0)

test('a node that is alone is ready at once', async () => {
  const { agreement, did } = join([])
  expect(agreement.isReached).toBe(false)
  await settle()
  expect(agreement.isReached).toBe(true)
  expect(did).toEqual(['is ready'])
})

test('it waits for all others, and not for what they told before it had joined', async () => {
  const { agreement } = join(['a', 'b'])
  agreement.hear('a', 9)
  agreement.hear('b', 12)
  await settle()
  expect(agreement.isReached).toBe(false)
  agreement.hear('a', 13)
  await settle()
  expect(agreement.isReached).toBe(true)
})

test('what others tell before the list is known counts', async () => {
  const { agreement } = join(['a'])
  agreement.hear('a', 11)
  await settle()
  expect(agreement.isReached).toBe(true)
})

test('it does not wait for a node that has gone, and asks etcd again if it fails', async () => {
  const { agreement } = join(['gone'], new Error('no leader'), [])
  await vi.advanceTimersByTimeAsync(999)
  expect(agreement.isReached).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(agreement.isReached).toBe(true)
})

test('it waits no longer than five seconds for a node that says nothing', async () => {
  const { agreement } = join(['silent'])
  await vi.advanceTimersByTimeAsync(4999)
  expect(agreement.isReached).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(agreement.isReached).toBe(true)
})

test('it answers others while it waits, those that come together once', async () => {
  const { agreement, did, told } = join(['a'])
  agreement.answer()
  agreement.answer()
  expect(did).toEqual(['tells'])
  told[0]()
  agreement.answer()
  expect(did).toEqual(['tells', 'tells'])
})

test('it is never ready after it has been closed', async () => {
  const { agreement, did } = join(['a'])
  agreement.close()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(did).toEqual([])
})

test('a node that tells its time tells it once more to those that join meanwhile', async () => {
  const { agreement, did, told } = join([])
  await settle()
  for (let joined = 0; joined < 3; joined++) agreement.answer()
  expect(told.length).toBe(1)
  told[0]()
  expect(told.length).toBe(2)
  told[1]()
  agreement.answer()
  expect(did).toEqual(['is ready', 'tells', 'tells', 'tells'])
  agreement.answer()
  agreement.close()
  told[2]()
  expect(told.length).toBe(3)
})

test('one that has stood still asks the others, and waits for what they tell after that', async () => {
  const { agreement, did, asked } = join([], ['a', 'b'])
  agreement.renew()
  await settle()
  expect([agreement.isReached, did]).toEqual([true, ['is ready']])
  agreement.renew()
  agreement.renew()
  // What comes before the question may have been told before it stood still.
  agreement.hear('a', 19)
  agreement.hear('b', 19)
  asked[0](20)
  await settle()
  expect([agreement.isReached, did]).toEqual([false, ['is ready', 'asks']])
  agreement.hear('a', 21)
  agreement.hear('b', 22)
  await settle()
  expect([agreement.isReached, did]).toEqual([true, ['is ready', 'asks', 'is ready a b']])
})

test('one whose question is not answered, or not put, takes writes again after five seconds at most', async () => {
  const { agreement, asked } = join([], ['silent'])
  await settle()
  agreement.renew()
  asked[0](20)
  await vi.advanceTimersByTimeAsync(4999)
  expect(agreement.isReached).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(agreement.isReached).toBe(true)
  agreement.renew()
  expect(agreement.isReached).toBe(false)
  asked[1](undefined)
  expect(agreement.isReached).toBe(true)
})
