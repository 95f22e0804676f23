import { pino } from 'pino'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { EtcdError } from '../../src/cluster/etcd/etcd-error.ts'
import type { EtcdLog, PutOutcome } from '../../src/cluster/etcd-log.ts'
import type { Membership } from '../../src/cluster/membership.ts'
import type { Waiting } from '../../src/cluster/waiting.ts'
import { WriteQueue } from '../../src/cluster/write-queue.ts'

const THERE = { isThere: true, revision: 1, previous: 0 } as const
const lost = (): EtcdError => new EtcdError('lost', 14, false)
const refused = (): EtcdError => new EtcdError('No connection established', 14, true)
const full = (): EtcdError => new EtcdError('mvcc: database space exceeded', 8, true)

let queue: WriteQueue | undefined
afterEach(() => queue?.close())

/**
 * A queue before a log that does what it is told, put after put: `part` loses a part of the batch.
 *
 * @param slowPut takes the log's place
 */
function start(outcomes: (PutOutcome | EtcdError | 'part')[], slowPut?: EtcdLog['put']) {
  const did: string[] = []
  let current: Membership = { node: 'a', lease: 1, revision: 1 }
  const waiting = new Set<() => void>()
  const note = (text: string): void => {
    did.push(text)
    for (const wake of waiting) wake()
    waiting.clear()
  }
  const put: EtcdLog['put'] = async ({ node }, number, record, _, onParts) => {
    const outcome = outcomes.shift() ?? THERE
    if (outcome === 'part') {
      note(`part ${node}${number}`)
      throw lost()
    }
    onParts?.()
    note(`${record.length === 0 ? 'void' : 'put'} ${node}${number}`)
    if (outcome instanceof EtcdError) throw outcome
    return outcome
  }
  const asked = { names: 0 }
  const names = (requests: readonly Waiting[]): string =>
    requests.map((waiting) => (waiting.kind === 'request' ? waiting.args[1] : '')).join()
  queue = new WriteQueue({
    log: { put: slowPut ?? put } as unknown as EtcdLog,
    logger: pino({ level: 'silent' }),
    membership: async () => {
      asked.names++
      return current
    },
    lose: () => {
      current = { node: 'b', lease: 2, revision: 2 }
    },
    onPut: () => {},
    refuse: (requests) => note(`refused ${names(requests)}`),
    doubt: (requests) => note(`doubt ${names(requests)}`),
  })
  const add = (name: string, patience = 60_000): void => {
    const deadline = performance.now() + patience
    const args = ['SET', name, 'x'] as const
    const client = {} as never
    queue?.add({
      kind: 'request',
      client,
      muted: false,
      args,
      deniedBelow: undefined,
      copyBound: undefined,
      mostNodes: undefined,
      bytes: 1,
      time: 1,
      deadline,
    })
  }
  const until = async (text: string): Promise<void> => {
    while (!did.includes(text)) {
      await new Promise<void>((resolve) => waiting.add(resolve))
    }
  }
  return { did, asked, add, until, queue }
}

test('requests of one turn are one batch, and those that come meanwhile the next', async () => {
  const { did, add, until } = start([])
  add('one')
  add('two')
  await until('put a1')
  add('three')
  await until('put a2')
  expect(did).toEqual(['put a1', 'put a2'])
})

test('a batch is put again under the same name until it is there', async () => {
  const { did, add, until } = start([lost(), refused(), lost(), THERE])
  add('one')
  await until('put a1')
  add('two')
  await until('put a2')
  expect(did).toEqual(['put a1', 'put a1', 'put a1', 'put a1', 'put a2'])
})

test('a batch that etcd is too busy for is put again', async () => {
  const busy = (): EtcdError => new EtcdError('etcdserver: too many requests', 8, true)
  const { did, add, until } = start([busy(), busy(), THERE])
  add('one')
  await until('put a1')
  add('two')
  await until('put a2')
  expect(did).toEqual(['put a1', 'put a1', 'put a1', 'put a2'])
})

test('a batch in doubt is decided by a void before anything else goes out', async () => {
  const { did, add, until } = start([lost(), lost(), lost(), THERE])
  add('one', 0)
  await until('doubt one')
  add('two')
  await until('put a2')
  expect(did).toEqual(['put a1', 'doubt one', 'void a1', 'void a1', 'void a1', 'put a2'])
})

test('a batch that was refused each time is refused, and its number used again', async () => {
  const { did, add, until } = start([refused(), THERE])
  add('one', 0)
  await until('refused one')
  add('two')
  await new Promise((resolve) => setImmediate(resolve))
  add('three')
  await until('put a2')
  expect(did).toEqual(['put a1', 'refused one', 'put a1', 'put a2'])
})

test('a batch of which only parts may be there is refused, and its number not used again', async () => {
  const { did, add, until } = start(['part', lost(), THERE])
  add('one', 0)
  await until('refused one')
  add('two')
  await until('put a2')
  expect(did).toEqual(['part a1', 'refused one', 'void a1', 'void a1', 'put a2'])
})

test('a batch that was sent whole once is in doubt, although later only parts were', async () => {
  const { did, add, until } = start([lost(), 'part'])
  add('one', 20)
  await until('doubt one')
  expect(did.slice(0, 3)).toEqual(['put a1', 'part a1', 'doubt one'])
})

test('a batch whose parts arrive after it has been refused is not put', async () => {
  const puts: string[] = []
  const put: EtcdLog['put'] = async (_, number, record, __, onParts) => {
    puts.push('parts')
    // The first attempt fails at once, the second one lasts until the client has been answered.
    if (puts.length === 1) throw lost()
    if (puts.length === 2) await until('refused one')
    onParts?.()
    puts.push(`${record.length === 0 ? 'void' : 'put'} ${number}`)
    return THERE
  }
  const { add, until } = start([], put)
  add('one', 200)
  await until('refused one')
  add('two')
  await vi.waitFor(() => expect(puts).toContain('put 2'))
  expect(puts).toEqual(['parts', 'parts', 'parts', 'void 1', 'parts', 'put 2'])
})

test('a full log refuses at once', async () => {
  const { did, add, until } = start([full()])
  add('one')
  await until('refused one')
  expect(did).toEqual(['put a1', 'refused one'])
})

test('a batch that a lost name was refused goes under the next one', async () => {
  const { did, add, until } = start([{ isThere: false }, THERE])
  add('one')
  await until('put b1')
  expect(did).toEqual(['put a1', 'put b1'])
})

test('a batch in doubt never goes under another name', async () => {
  const { did, add, until } = start([lost(), { isThere: false }, THERE])
  add('one')
  await until('doubt one')
  add('two')
  await until('put b1')
  expect(did).toEqual(['put a1', 'put a1', 'doubt one', 'put b1'])
})

test('a batch that the log brings is there, whatever etcd has answered', async () => {
  const { did, add, until, queue } = start([lost()])
  add('one')
  await until('put a1')
  const landed = queue.landed({ node: 'a', number: 1, revision: 5, record: Buffer.alloc(0) })
  expect(landed).toHaveLength(1)
  add('two')
  await until('put a2')
  expect(did.filter((text) => text === 'put a1')).toHaveLength(1)
})

test('nobody is answered by a void', async () => {
  const { add, until, queue } = start([])
  add('one')
  await until('put a1')
  expect(queue.landed({ node: 'a', number: 1, revision: 5, record: undefined })).toEqual([])
})

describe('a batch that follows another', () => {
  /** A log where a batch takes 8 ms, and two requests that it has just brought. */
  async function startSlowly() {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
    const lengths: number[] = []
    const put: EtcdLog['put'] = async (_, __, record, ___, onParts) => {
      onParts?.()
      lengths.push(Buffer.concat(record).toString('latin1').split('SET').length - 1)
      await new Promise((resolve) => setTimeout(resolve, 8))
      return THERE
    }
    const { add } = start([], put)
    add('one')
    add('two')
    await vi.advanceTimersByTimeAsync(8)
    expect(lengths).toEqual([2])
    return { add, lengths }
  }
  afterEach(() => vi.useRealTimers())

  test('waits for the clients of that one, and no longer', async () => {
    const { add, lengths } = await startSlowly()
    add('one again')
    await vi.advanceTimersByTimeAsync(1)
    expect(lengths).toEqual([2])
    add('two again')
    await vi.advanceTimersByTimeAsync(0)
    expect(lengths).toEqual([2, 2])
  })

  test('waits for at most a quarter of the time that it took', async () => {
    const { add, lengths } = await startSlowly()
    add('one again')
    await vi.advanceTimersByTimeAsync(1.9)
    expect(lengths).toEqual([2])
    await vi.advanceTimersByTimeAsync(1)
    expect(lengths).toEqual([2, 1])
  })

  test('waits for nobody where it comes later', async () => {
    const { add, lengths } = await startSlowly()
    await vi.advanceTimersByTimeAsync(3)
    add('one again')
    await vi.advanceTimersByTimeAsync(0)
    expect(lengths).toEqual([2, 1])
  })
})

test('one that is closed while it waits for further requests asks for no name', async () => {
  let now = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now)
  // It must wait until it is closed, however slow the machine is.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const { asked, add, queue } = start([], async () => {
    // The next batch may wait long for requests.
    now += 1000
    return THERE
  })
  add('one')
  add('two')
  await new Promise(setImmediate)
  add('three')
  await new Promise(setImmediate)
  queue.close()
  add('four')
  await vi.advanceTimersByTimeAsync(1000)
  clock.mockRestore()
  // A node that has left has none, and never will.
  expect([asked.names, queue.length]).toEqual([1, 0])
})
