import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { Etcd } from '../../src/cluster/etcd/etcd.ts'
import { EtcdError, RESOURCE_EXHAUSTED, UNAVAILABLE } from '../../src/cluster/etcd/etcd-error.ts'
import type { TxnRequest } from '../../src/cluster/etcd/types.ts'
import { type BatchName, Keys } from '../../src/cluster/keys.ts'
import { type Cut, NEVER_CUT, Snapshots } from '../../src/cluster/snapshots.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { type Members, startMembers } from './members.ts'

/** Of a snapshot of three parts, so that there are requests between them. */
const PART_BYTES = 700_000
const PARTS = 3
/** More requests than a cut has. */
const MANY = 30

describeWithPeer('etcd', 'a cut of the log', () => {
  let members: Members
  let keys: Keys
  let etcd: Etcd
  let places = 0
  /** By their revisions. */
  const batches = new Map<number, BatchName>()

  beforeAll(async () => {
    members = await startMembers(1)
  })
  afterAll(() => members.stop())
  beforeEach(() => {
    keys = new Keys(`/cut${places++}/`)
    etcd = new Etcd({ endpoints: members.urls })
  })
  afterEach(() => {
    vi.restoreAllMocks()
    etcd.close()
  })

  const stateOf = (revision: number): Buffer[] =>
    Array.from({ length: PARTS }, () => Buffer.alloc(PART_BYTES, `${revision} `))
  const headAt = (revision: number) => ({ revision, time: 1, changes: 0, recent: [] })
  const electedIs = (node: string) => ({
    ...{ result: 0, target: 3, key: keys.elected },
    value: Buffer.from(node),
  })

  async function put(...pairs: readonly (readonly [Buffer, string])[]): Promise<void> {
    const success = pairs.map(([key, value]) => ({
      request_put: { key, value: Buffer.from(value) },
    }))
    await etcd.txnAgain({ compare: [], success })
  }

  /** Puts a batch of a node that is not alive any more. @returns its revision */
  async function newBatch(): Promise<number> {
    const name = { node: 'writer', number: batches.size }
    const success = [{ request_put: { key: keys.batch(name), value: Buffer.from('x') } }]
    const { revision } = (await etcd.txnAgain({ compare: [], success })).header
    batches.set(revision, name)
    return revision
  }

  /**
   * Cuts the log as the elected node does.
   *
   * @param revision of the last batch that it has @param cut the last one, as it knows it
   */
  function write(node: string, revision: number, cut: Cut, through = etcd): Promise<boolean> {
    const snapshots = new Snapshots(through, keys)
    const compare = [electedIs(node)]
    const last = batches.get(revision)
    const [head, pieces] = [headAt(revision), stateOf(revision)]
    return snapshots.write({ compare, cut, head, last, pieces, removesLeft: true })
  }

  async function cutNow(node: string, revision: number): Promise<boolean> {
    return write(node, revision, await new Snapshots(etcd, keys).cutAt())
  }

  /** Expects that a node that begins now has all up to a revision. */
  async function expectWhole(revision: number): Promise<void> {
    const snapshots = new Snapshots(etcd, keys)
    const missing: string[] = []
    // Rather fails than waits.
    const snapshot = await snapshots.read((what) => {
      missing.push(what)
      throw new Error(what)
    })
    expect([snapshot?.revision, (await snapshots.cutAt()).revision]).toEqual([revision, revision])
    expect(snapshot?.state.equals(Buffer.concat(stateOf(revision)))).toBe(true)
  }

  /** Keeps requests to etcd from going out, from one of them on, as if the process were stopped there. */
  function stopAt(request: number): { through: Etcd; goOn: () => void; wasStopped: () => boolean } {
    const through = new Etcd({ endpoints: members.urls })
    let goOn = (): void => {}
    const going = new Promise<void>((resolve) => {
      goOn = resolve
    })
    let requests = 0
    const held = async (): Promise<void> => {
      if (requests++ >= request) await going
    }
    for (const name of ['txn', 'txnAgain', 'range'] as const) {
      const original = through[name].bind(through) as (...args: unknown[]) => Promise<unknown>
      vi.spyOn(through, name).mockImplementation((async (...args: unknown[]) => {
        await held()
        return original(...args)
      }) as never)
    }
    return { through, goOn, wasStopped: () => requests > request }
  }

  test('is not made before the last one, whoever is elected', async () => {
    await put([keys.elected, 'a'])
    const [first, second, third, fourth] = [
      await newBatch(),
      await newBatch(),
      await newBatch(),
      await newBatch(),
    ]
    expect(await cutNow('a', second)).toBe(true)
    expect(await cutNow('a', first)).toBe(false)
    await expectWhole(second)
    // Nor with a state that was taken before another node's cut.
    const cut = await new Snapshots(etcd, keys).cutAt()
    expect(await cutNow('a', third)).toBe(true)
    expect(await write('a', fourth, cut)).toBe(false)
    expect(await write('a', fourth, NEVER_CUT)).toBe(false)
    await expectWhole(third)
    expect(await cutNow('a', fourth)).toBe(true)
    await expectWhole(fourth)
  })

  test('that is stopped at any request, and goes on after that of another node, removes nothing of it', async () => {
    let stops = 0
    for (let at = 0; at < MANY; at++) {
      keys = new Keys(`/stopped${at}/`)
      await put([keys.elected, 'a'])
      await put([keys.batch({ node: 'dead', number: 1 }), 'x'], [keys.allParts.key, 'x'])
      await put([keys.node('alive'), ''], [keys.batch({ node: 'alive', number: 1 }), 'x'])
      await put([keys.batch({ node: 'alive', number: 2 }), 'x'])
      const [end, later, last] = [await newBatch(), await newBatch(), await newBatch()]
      const { through, goOn, wasStopped } = stopAt(at)
      const first = write('a', end, NEVER_CUT, through)
      let isOver = false
      void first.finally(() => {
        isOver = true
      })
      while (!wasStopped() && !isOver) await new Promise((done) => setTimeout(done, 1))
      await put([keys.elected, 'b'])
      expect(await cutNow('b', later)).toBe(true)
      // A third one is on its way: its parts are there, and it is not named yet.
      const cut = await new Snapshots(etcd, keys).cutAt()
      const second = stopAt(PARTS)
      const third = write('b', last, cut, second.through)
      while (!second.wasStopped()) await new Promise((done) => setTimeout(done, 1))
      goOn()
      await first
      second.goOn()
      expect(await third).toBe(true)
      await expectWhole(last)
      const left = await etcd.range({ ...keys.snapshots, keys_only: true })
      expect(left.kvs.length).toBe(PARTS)
      through.close()
      second.through.close()
      if (!wasStopped()) break
      stops++
    }
    // Each part, the name, the removals.
    expect(stops).toBeGreaterThan(PARTS + 5)
    expect(stops).toBeLessThan(MANY - 1)
  })

  test('is not named after a late removal of the one before, which may have removed its parts', async () => {
    await put([keys.elected, 'a'])
    const sent: TxnRequest[] = []
    const spy = vi.spyOn(etcd, 'txnAgain')
    const [first, second, third] = [await newBatch(), await newBatch(), await newBatch()]
    expect(await cutNow('a', first)).toBe(true)
    sent.push(...spy.mock.calls.map(([request]) => request))
    spy.mockRestore()
    const removal = sent.find(({ success }) =>
      success.some(({ request_delete_range }) =>
        request_delete_range?.key.equals(keys.snapshots.key),
      ),
    )
    const cut = await new Snapshots(etcd, keys).cutAt()
    const { through, goOn, wasStopped } = stopAt(PARTS)
    const next = write('a', second, cut, through)
    while (!wasStopped()) await new Promise((done) => setTimeout(done, 1))
    // An attempt that was given up, and that etcd makes now.
    await etcd.txn(removal as TxnRequest)
    goOn()
    expect(await next).toBe(false)
    await expectWhole(first)
    expect(await cutNow('a', third)).toBe(true)
    await expectWhole(third)
    through.close()
  })

  test('whose answer is lost is known to have been made, and what is before is removed', async () => {
    await put([keys.elected, 'a'], [keys.batch({ node: 'dead', number: 1 }), 'x'])
    const revision = await newBatch()
    const original = etcd.txnAgain.bind(etcd)
    const again = vi.spyOn(etcd, 'txnAgain')
    again.mockImplementationOnce(async (request) => {
      await original(request)
      return original(request)
    })
    expect(await cutNow('a', revision)).toBe(true)
    await expectWhole(revision)
    const left = await etcd.range({ ...keys.log, keys_only: true })
    expect(left.kvs).toEqual([])
  })

  test('is not made where the log has lost what the tree has', async () => {
    await put([keys.elected, 'a'])
    const [first, second] = [await newBatch(), await newBatch()]
    const lose = async (revision: number): Promise<void> => {
      const key = keys.batch(batches.get(revision) as BatchName)
      await etcd.txn({ compare: [], success: [{ request_delete_range: { key } }] })
    }
    // Put back to an earlier day, and not cut since; then another batch has come by the same name.
    await lose(second)
    expect(await cutNow('a', second)).toBe(false)
    await put([keys.batch(batches.get(second) as BatchName), 'y'])
    expect(await cutNow('a', second)).toBe(false)
    // A node that has begun with a snapshot knows no batch. The one in etcd is an earlier one.
    await put([keys.tail, ''])
    const snapshots = new Snapshots(etcd, keys)
    const state = { compare: [], head: headAt(second), last: undefined, pieces: stateOf(second) }
    expect(await snapshots.write({ ...state, cut: NEVER_CUT })).toBe(false)
    expect((await etcd.range({ ...keys.snapshots, keys_only: true })).kvs).toEqual([])
    expect(await cutNow('a', first)).toBe(true)
    // What it has last was cut off.
    await lose(first)
    expect(await cutNow('a', first)).toBe(true)
    await expectWhole(first)
  })

  /** Has etcd tell that its quota is reached. @param makes whether it makes the transaction all the same */
  function fill(makes: (request: TxnRequest) => boolean): void {
    const original = etcd.txnAgain.bind(etcd)
    vi.spyOn(etcd, 'txnAgain').mockImplementation(async (request) => {
      if (!request.success.some(({ request_put }) => request_put)) return original(request)
      if (makes(request)) await original(request)
      throw new EtcdError('etcdserver: mvcc: database space exceeded', RESOURCE_EXHAUSTED, true)
    })
  }

  /** The snapshots of which there are parts. */
  async function snapshotsThere(): Promise<string[]> {
    const { kvs } = await etcd.range({ ...keys.snapshots, keys_only: true })
    return [...new Set(kvs.map(({ key }) => key.toString().split('/').at(-2) ?? ''))]
  }

  test.each<[string, () => Promise<never> | Promise<void>, boolean]>([
    [
      'etcd has no space for all of its parts',
      () => Promise.reject(new EtcdError('space exceeded', RESOURCE_EXHAUSTED, true)),
      true,
    ],
    ['another node is elected between its parts', () => put([keys.elected, 'b']), false],
  ])('leaves no part where %s', async (_, trouble, throws) => {
    await put([keys.elected, 'a'])
    const first = await newBatch()
    await cutNow('a', first)
    const before = await snapshotsThere()
    const last = await newBatch()
    const through = new Etcd({ endpoints: members.urls })
    const txn = through.txn.bind(through)
    let parts = 0
    vi.spyOn(through, 'txn').mockImplementation(async (request, timeout) => {
      if (request.success.some((op) => 'request_put' in op) && ++parts === PARTS) await trouble()
      return txn(request, timeout)
    })
    const written = write('a', last, await new Snapshots(etcd, keys).cutAt(), through)
    if (throws) await expect(written).rejects.toThrow('space exceeded')
    else expect(await written).toBe(false)
    through.close()
    expect(parts).toBe(PARTS)
    expect(await snapshotsThere()).toEqual(before)
    await expectWhole(first)
  })

  test.each([0, 1])(
    'removes what a node has left that died within its snapshot, before it puts a part (%d cuts before)',
    async (cuts) => {
      await put([keys.elected, 'a'])
      if (cuts > 0) await cutNow('a', await newBatch())
      const before = await snapshotsThere()
      const last = await newBatch()
      await put([keys.snapshotPart('0dead', 0), 'x'], [keys.snapshotPart('fdead', 7), 'x'])
      const through = new Etcd({ endpoints: members.urls })
      const txn = through.txn.bind(through)
      let there: string[] | undefined
      vi.spyOn(through, 'txn').mockImplementation(async (request, timeout) => {
        there ??= await snapshotsThere()
        return txn(request, timeout)
      })
      expect(await write('a', last, await new Snapshots(etcd, keys).cutAt(), through)).toBe(true)
      through.close()
      expect(there).toEqual(before)
      expect(await snapshotsThere()).toHaveLength(1)
      await expectWhole(last)
    },
  )

  test('with which etcd reaches its quota is known to have been made', async () => {
    await put([keys.elected, 'a'])
    const [first, second] = [await newBatch(), await newBatch()]
    fill(({ success }) => success.some(({ request_put: it }) => it?.key.equals(keys.snapshot)))
    expect(await cutNow('a', first)).toBe(true)
    vi.restoreAllMocks()
    await expectWhole(first)
    fill(() => false)
    await expect(cutNow('a', second)).rejects.toThrow('space exceeded')
    vi.restoreAllMocks()
    await expectWhole(first)
  })

  test('that lacks parts is read once a pause, and when a later one is there', async () => {
    await put([keys.elected, 'a'])
    expect(await cutNow('a', await newBatch())).toBe(true)
    await etcd.txn({ compare: [], success: [{ request_delete_range: keys.snapshots }] })
    const ranges = vi.spyOn(etcd, 'range')
    const told: number[] = []
    const reading = new Snapshots(etcd, keys).read((what) => {
      expect(what).toMatch(/^the snapshot \w+ in etcd lacks parts$/)
      told.push(ranges.mock.calls.length)
      // The name and the first part, twice before the first pause.
      expect(told.length).toBeLessThan(4)
    })
    while (told.length < 2) await new Promise((done) => setTimeout(done, 10))
    expect(told).toEqual([4, 6])
    ranges.mockRestore()
    const later = await newBatch()
    expect(await cutNow('a', later)).toBe(true)
    expect((await reading)?.revision).toBe(later)
  })

  test('is not begun anew by a reader that etcd has left', async () => {
    await put([keys.elected, 'a'])
    expect(await cutNow('a', await newBatch())).toBe(true)
    await etcd.txn({ compare: [], success: [{ request_delete_range: keys.snapshots }] })
    const reading = new Snapshots(etcd, keys).read(() => etcd.close())
    await expect(reading).rejects.toThrow(new EtcdError('closed', UNAVAILABLE, true))
  })
})
