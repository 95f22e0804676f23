import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { Etcd } from '../../src/cluster/etcd/etcd.ts'
import { EtcdError, UNAVAILABLE } from '../../src/cluster/etcd/etcd-error.ts'
import type { TxnRequest } from '../../src/cluster/etcd/types.ts'
import { Keys } from '../../src/cluster/keys.ts'
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
    await etcd.txn({ compare: [], success })
  }

  /** Cuts the log as the elected node does. @param cut the last one, as it knows it */
  function write(node: string, revision: number, cut: Cut, through = etcd): Promise<boolean> {
    const snapshots = new Snapshots(through, keys)
    const compare = [electedIs(node)]
    return snapshots.write({ compare, cut, head: headAt(revision), pieces: stateOf(revision) })
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
    expect(await cutNow('a', 197)).toBe(true)
    expect(await cutNow('a', 154)).toBe(false)
    await expectWhole(197)
    // Nor with a state that was taken before another node's cut.
    const cut = await new Snapshots(etcd, keys).cutAt()
    expect(await cutNow('a', 200)).toBe(true)
    expect(await write('a', 300, cut)).toBe(false)
    expect(await write('a', 300, NEVER_CUT)).toBe(false)
    await expectWhole(200)
    expect(await cutNow('a', 300)).toBe(true)
    await expectWhole(300)
  })

  test('that is stopped at any request, and goes on after that of another node, removes nothing of it', async () => {
    let stops = 0
    for (let at = 0; at < MANY; at++) {
      keys = new Keys(`/stopped${at}/`)
      await put([keys.elected, 'a'])
      await put([keys.batch({ node: 'dead', number: 1 }), 'x'], [keys.allParts.key, 'x'])
      await put([keys.node('alive'), ''], [keys.batch({ node: 'alive', number: 1 }), 'x'])
      await put([keys.batch({ node: 'alive', number: 2 }), 'x'])
      const end = (await etcd.status()).header.revision
      const { through, goOn, wasStopped } = stopAt(at)
      const first = write('a', end, NEVER_CUT, through)
      let isOver = false
      void first.finally(() => {
        isOver = true
      })
      while (!wasStopped() && !isOver) await new Promise((done) => setTimeout(done, 1))
      await put([keys.elected, 'b'])
      expect(await cutNow('b', end + 1)).toBe(true)
      // A third one is on its way: its parts are there, and it is not named yet.
      const cut = await new Snapshots(etcd, keys).cutAt()
      const second = stopAt(PARTS)
      const third = write('b', end + 2, cut, second.through)
      while (!second.wasStopped()) await new Promise((done) => setTimeout(done, 1))
      goOn()
      await first
      second.goOn()
      expect(await third).toBe(true)
      await expectWhole(end + 2)
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
    expect(await cutNow('a', 100)).toBe(true)
    sent.push(...spy.mock.calls.map(([request]) => request))
    spy.mockRestore()
    const removal = sent.find(({ success }) =>
      success.some(({ request_delete_range }) =>
        request_delete_range?.key.equals(keys.snapshots.key),
      ),
    )
    const cut = await new Snapshots(etcd, keys).cutAt()
    const { through, goOn, wasStopped } = stopAt(PARTS)
    const next = write('a', 200, cut, through)
    while (!wasStopped()) await new Promise((done) => setTimeout(done, 1))
    // An attempt that was given up, and that etcd makes now.
    await etcd.txn(removal as TxnRequest)
    goOn()
    expect(await next).toBe(false)
    await expectWhole(100)
    expect(await cutNow('a', 300)).toBe(true)
    await expectWhole(300)
    through.close()
  })

  test('whose answer is lost is known to have been made, and what is before is removed', async () => {
    await put([keys.elected, 'a'], [keys.batch({ node: 'dead', number: 1 }), 'x'])
    const revision = (await etcd.status()).header.revision
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

  test('that lacks parts is read once a pause, and when a later one is there', async () => {
    await put([keys.elected, 'a'])
    expect(await cutNow('a', 100)).toBe(true)
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
    expect(await cutNow('a', 200)).toBe(true)
    expect((await reading)?.revision).toBe(200)
  })

  test('is not begun anew by a reader that etcd has left', async () => {
    await put([keys.elected, 'a'])
    expect(await cutNow('a', 100)).toBe(true)
    await etcd.txn({ compare: [], success: [{ request_delete_range: keys.snapshots }] })
    const reading = new Snapshots(etcd, keys).read(() => etcd.close())
    await expect(reading).rejects.toThrow(new EtcdError('closed', UNAVAILABLE, true))
  })
})
