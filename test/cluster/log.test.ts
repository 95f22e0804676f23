import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { ClusterError } from '../../src/cluster/cluster-error.ts'
import { Etcd } from '../../src/cluster/etcd/etcd.ts'
import {
  EtcdError,
  isNoSpace,
  RESOURCE_EXHAUSTED,
  UNAVAILABLE,
} from '../../src/cluster/etcd/etcd-error.ts'
import { EtcdLog, type LoggedBatch } from '../../src/cluster/etcd-log.ts'
import { Keys } from '../../src/cluster/keys.ts'
import { LogFollower } from '../../src/cluster/log-follower.ts'
import { type Membership, Memberships } from '../../src/cluster/membership.ts'
import { NEVER_CUT, Snapshots } from '../../src/cluster/snapshots.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { type Members, startMembers } from './members.ts'

const TIMEOUT_MS = 5000
const INFO = { name: 'test', address: '', version: '', applied: 0, lag: { revisions: 0, ms: 0 } }

const text = ({ node, number, record }: LoggedBatch): string =>
  `${node} ${number} ${record?.toString() ?? 'void'}`

const bytes = (value: string): readonly Uint8Array[] => [Buffer.from(value)]

/** Gathers what a follower hands over. */
class Followed {
  readonly batches: LoggedBatch[] = []
  /** The nodes whose first batches have been passed over. */
  readonly passed: string[] = []
  broken: unknown
  /** How many bytes were handed over at once, at most. */
  most = 0
  /** How often the log had been cut, and the position of the snapshot that is then loaded. */
  cuts = 0
  snapshot = 0
  readonly follower: LogFollower
  #wake: () => void = () => {}

  constructor(place: Place, position = 0) {
    const logger = pino({ level: 'silent' })
    this.follower = new LogFollower(
      { ...place, logger },
      {
        onBatches: (batches) => {
          // A node begins with a void.
          this.batches.push(...batches.filter(({ number }) => number > 0))
          const bytes = batches.reduce((sum, { record }) => sum + (record?.length ?? 0), 0)
          this.most = Math.max(this.most, bytes)
          this.#wake()
        },
        onPassed: ({ node }) => {
          this.passed.push(node)
          this.#wake()
        },
        whenRun: () => Promise.resolve(),
        onCut: async () => {
          this.cuts++
          this.follower.beginAt(this.snapshot, undefined)
        },
        onSight: () => {},
        onBroken: (error) => {
          this.broken = error
          this.#wake()
        },
      },
    )
    this.follower.beginAt(position, undefined)
  }

  async until(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

interface Place {
  etcd: Etcd
  keys: Keys
  log: EtcdLog
}

describeWithPeer('etcd', 'the log in etcd', () => {
  let members: Members
  let count = 0
  const ends: (() => unknown)[] = []

  beforeAll(async () => {
    members = await startMembers(1)
  })
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })
  afterAll(() => members.stop())

  async function newPlace(
    prefix = `/test${count++}/`,
    endpoints: readonly string[] = members.urls,
  ): Promise<Place> {
    const etcd = new Etcd({ endpoints })
    ends.push(() => etcd.close())
    const keys = new Keys(prefix)
    const log = new EtcdLog(etcd, keys)
    await log.open()
    return { etcd, keys, log }
  }

  async function join({ etcd, keys, log }: Place): Promise<Membership> {
    const memberships = new Memberships({
      ...{ etcd, keys, isSameLog: log.isSame, logger: pino({ level: 'silent' }) },
      info: () => INFO,
      onLost: () => {},
    })
    ends.push(() => memberships.close())
    return memberships.join()
  }

  async function follow(place: Place, position = 0): Promise<Followed> {
    const followed = new Followed(place, position)
    ends.push(() => followed.follower.close())
    await followed.follower.start()
    return followed
  }

  test('tells of a node that has joined before an own batch that came earlier than the watch', async () => {
    const place = await newPlace()
    const own = await join(place)
    const followed = await follow(place)
    const { follower, passed, batches } = followed
    follower.hold(true)
    const other = await join(place)
    const outcome = await place.log.put(own, 1, bytes('x'), TIMEOUT_MS)
    if (!outcome.isThere) throw new Error('it is not there')
    const { revision, previous = 0 } = outcome
    follower.offer({ node: own.node, number: 1, revision, record: Buffer.from('x') }, previous)
    expect(batches.map(text)).toEqual([`${own.node} 1 x`])
    follower.hold(false)
    await followed.until(() => passed.length > 0)
    expect(passed).toEqual([other.node])
  })

  test('is read in the order of etcd, whether it was there before or comes later', async () => {
    const place = await newPlace()
    const [a, b] = [await join(place), await join(place)]
    const expected: string[] = []
    const numbers = new Map<Membership, number>()
    const put = async (who: Membership): Promise<void> => {
      const number = (numbers.get(who) ?? 0) + 1
      numbers.set(who, number)
      await place.log.put(who, number, bytes(`x${number}`), TIMEOUT_MS)
      expected.push(`${who.node} ${number} x${number}`)
    }
    for (let i = 1; i <= 100; i++) await put(i % 3 === 0 ? a : b)
    const early = await follow(place)
    expect(early.batches.map(text)).toEqual(expected)
    for (let i = 101; i <= 120; i++) await put(i % 2 === 0 ? a : b)
    await early.until(() => early.batches.length === 120)
    const late = await follow(place)
    const half = await follow(place, late.batches[59].revision)
    for (const followed of [early, late]) expect(followed.batches.map(text)).toEqual(expected)
    expect(half.batches.map(text)).toEqual(expected.slice(60))
    expect(await early.follower.askEnd()).toBe(late.batches[119].revision)
  })

  test('hands a batch over before the watch brings it, if nothing is between', async () => {
    const place = await newPlace()
    const [a, b] = [await join(place), await join(place)]
    const followed = await follow(place)
    const put = async (who: Membership, number: number): Promise<void> => {
      const outcome = await place.log.put(who, number, bytes('x'), TIMEOUT_MS)
      if (!outcome.isThere || outcome.previous === undefined) throw new Error('not put')
      const { revision, previous } = outcome
      const batch = { node: who.node, number, revision, record: Buffer.from('x') }
      followed.follower.offer(batch, previous)
    }
    const { follower } = followed
    const early = { node: a.node, number: 7, revision: follower.position + 2, record: undefined }
    follower.offer(early, follower.position + 1)
    expect(followed.batches).toEqual([])
    await put(a, 1)
    expect(followed.batches.map(text)).toEqual([`${a.node} 1 x`])
    await place.log.put(b, 1, bytes('b'), TIMEOUT_MS)
    await put(a, 2)
    await followed.until(() => followed.batches.length === 3)
    expect(followed.batches.map(text)).toEqual([`${a.node} 1 x`, `${b.node} 1 b`, `${a.node} 2 x`])
  })

  test('has a batch once, however often it is put', async () => {
    const place = await newPlace()
    const who = await join(place)
    const first = await place.log.put(who, 1, bytes('first'), TIMEOUT_MS)
    const again = await place.log.put(who, 1, bytes('first'), TIMEOUT_MS)
    expect(again).toEqual({ ...first, previous: undefined })
    const { batches } = await follow(place)
    expect(batches.map(text)).toEqual([`${who.node} 1 first`])
  })

  test('has a void in the place of a batch that may come, and the batch comes no more', async () => {
    const place = await newPlace()
    const who = await join(place)
    const empty = await place.log.put(who, 1, [], TIMEOUT_MS)
    const late = await place.log.put(who, 1, bytes('late'), TIMEOUT_MS)
    expect(late).toEqual({ ...empty, previous: undefined })
    const { batches } = await follow(place)
    expect(batches.map(text)).toEqual([`${who.node} 1 void`])
  })

  test('takes nothing from a node whose lease has run out', async () => {
    const place = await newPlace()
    const who = await join(place)
    await place.log.put(who, 1, bytes('1'), TIMEOUT_MS)
    await place.etcd.revokeLease(who.lease)
    expect(await place.log.put(who, 2, bytes('2'), TIMEOUT_MS)).toEqual({ isThere: false })
    // What was there before is known to be there.
    expect(await place.log.put(who, 1, bytes('1'), TIMEOUT_MS)).toMatchObject({ isThere: true })
    const { batches } = await follow(place)
    expect(batches.map(text)).toEqual([`${who.node} 1 1`])
  })

  test('takes nothing late in the place of what has been cut off', async () => {
    const place = await newPlace()
    const who = await join(place)
    for (const number of [1, 2, 3]) await place.log.put(who, number, bytes('x'), TIMEOUT_MS)
    const { key } = place.keys.batchesOf(who.node)
    const range_end = place.keys.batch({ node: who.node, number: 3 })
    await place.etcd.txn({
      compare: [],
      success: [{ request_delete_range: { key, range_end } }],
    })
    for (const number of [1, 2]) {
      expect(await place.log.put(who, number, bytes('late'), TIMEOUT_MS)).toEqual({
        isThere: false,
      })
    }
    expect(await place.log.put(who, 4, bytes('x'), TIMEOUT_MS)).toMatchObject({ isThere: true })
  })

  /** etcd's answer where its quota is reached. */
  const noSpace = (): EtcdError =>
    new EtcdError('etcdserver: mvcc: database space exceeded', RESOURCE_EXHAUSTED, true)

  test('has a batch that reached the quota of etcd, although etcd said that it had no space', async () => {
    const place = await newPlace()
    const who = await join(place)
    const { etcd } = place
    const txn = etcd.txn.bind(etcd)
    etcd.txn = async (request, timeout) => {
      await txn(request, timeout)
      throw noSpace()
    }
    const outcome = await place.log.put(who, 1, bytes('x'), TIMEOUT_MS)
    etcd.txn = () => Promise.reject(noSpace())
    await expect(place.log.put(who, 2, bytes('y'), TIMEOUT_MS)).rejects.toMatchObject({
      refused: true,
    })
    const { batches } = await follow(place)
    expect(batches.map(text)).toEqual([`${who.node} 1 x`])
    expect(outcome).toEqual({ isThere: true, revision: batches[0].revision, previous: undefined })
  })

  test('leaves open whether a batch is there that etcd had no space for, and will not tell', async () => {
    const place = await newPlace()
    const who = await join(place)
    const { etcd } = place
    etcd.txn = () => Promise.reject(noSpace())
    for (const refused of [false, true]) {
      etcd.rangeOnce = () => Promise.reject(new EtcdError('no leader', UNAVAILABLE, refused))
      await expect(place.log.put(who, 1, bytes('x'), TIMEOUT_MS)).rejects.toMatchObject({
        refused: false,
      })
    }
  })

  test('has all batches that are told to be there when etcd reaches its quota, and no others', async () => {
    const small = await startMembers(1, ['--quota-backend-bytes', '3000000'])
    ends.push(() => small.stop())
    const place = await newPlace('/quota/', small.urls)
    const who = await join(place)
    const told: number[] = []
    for (let number = 1, isFull = false; !isFull; ) {
      const record = [Buffer.alloc(300_000, number)]
      try {
        const { isThere } = await place.log.put(who, number, record, TIMEOUT_MS)
        if (isThere) told.push(number++)
      } catch (error) {
        isFull = isNoSpace(error)
        if (!isFull) throw error
      }
    }
    const { kvs } = await place.etcd.range({ ...place.keys.batchesOf(who.node), keys_only: true })
    const there = kvs.map(({ key }) => place.keys.batchOf(key)?.number)
    expect(told.length).toBeGreaterThan(3)
    expect(there).toEqual([0, ...told])
  })

  test('takes a batch that is longer than a request, in parts', async () => {
    const place = await newPlace()
    const who = await join(place)
    const watching = await follow(place)
    const long = Buffer.alloc(5_000_001, 'abc')
    await place.log.put(who, 1, [long], TIMEOUT_MS)
    await place.log.put(who, 2, bytes('after'), TIMEOUT_MS)
    await watching.until(() => watching.batches.length === 2)
    const reading = await follow(place)
    for (const { batches } of [watching, reading]) {
      expect(batches[0].record?.equals(long)).toBe(true)
      expect(text(batches[1])).toBe(`${who.node} 2 after`)
    }
  })

  test('has no part of a longer batch that was refused under the same name', async () => {
    const place = await newPlace()
    const who = await join(place)
    for (let i = 0; i < 8; i++) {
      const key = place.keys.part({ node: who.node, number: 1 }, i)
      await place.etcd.txn({ compare: [], success: [{ request_put: { key, value: key } }] })
    }
    const long = Buffer.alloc(2_000_000, 'abc')
    await place.log.put(who, 1, [long], TIMEOUT_MS)
    const { batches } = await follow(place)
    expect(batches[0].record?.equals(long)).toBe(true)
  })

  test('is handed over in pieces that are not much longer than its longest batch', async () => {
    const place = await newPlace()
    const who = await join(place)
    const long = Buffer.alloc(3_000_000, 'abc')
    for (let i = 1; i <= 4; i++) await place.log.put(who, i, [long], TIMEOUT_MS)
    const { batches, most } = await follow(place)
    expect(batches).toHaveLength(4)
    expect(most).toBeLessThanOrEqual(2 * long.length)
  })

  test.each([
    ['cut', false],
    ['cut and compacted', true],
  ])(
    'is read on by a node for whom it is %s between a batch and its parts',
    async (_, compacts) => {
      const place = await newPlace()
      const who = await join(place)
      const followed = await follow(place)
      await place.log.put(who, 1, bytes('before'), TIMEOUT_MS)
      await followed.until(() => followed.batches.length === 1)
      const { etcd, keys } = place
      const range = etcd.range.bind(etcd)
      let isCut = false
      let tell: () => void
      const told = new Promise<void>((resolve) => {
        tell = resolve
      })
      etcd.range = async (request) => {
        if (!isCut && request.key.toString().includes('/parts/')) {
          isCut = true
          followed.snapshot = await place.log.end()
          const cut = Buffer.from(String(followed.snapshot))
          const success = [
            { request_put: { key: keys.cut, value: cut } },
            { request_delete_range: keys.allParts },
          ]
          const { header } = await etcd.txn({ compare: [], success })
          if (compacts) await etcd.compact(header.revision)
          tell()
        }
        return range(request)
      }
      await place.log.put(who, 2, [Buffer.alloc(3_000_000)], TIMEOUT_MS)
      // Not earlier, because it would be in the snapshot, and not read as a batch.
      await told
      await place.log.put(who, 3, bytes('last'), TIMEOUT_MS)
      await followed.until(() => text(followed.batches.at(-1) as LoggedBatch).endsWith('last'))
      expect(isCut).toBe(true)
      expect(followed.cuts).toBe(compacts ? 1 : 0)
      expect(followed.broken).toBe(undefined)
    },
  )

  test('is not cut after a snapshot that no node could load, of which nothing is left', async () => {
    const { etcd, keys, log } = await newPlace()
    const head = { revision: await log.end(), time: 1, changes: 0, recent: [] }
    const pieces = Array.from({ length: 30 }, () => Buffer.alloc(100_000, 'x'))
    const snapshot = { compare: [], cut: NEVER_CUT, head, last: undefined, pieces }
    // What is put in vain takes room in etcd until it is compacted.
    const put = vi.spyOn(etcd, 'txn')
    await expect(new Snapshots(etcd, keys, 2_500_000).write(snapshot)).rejects.toThrow(ClusterError)
    const left = await etcd.range({ ...keys.snapshots, keys_only: true })
    const cut = await etcd.range({ key: keys.cut })
    expect([left.kvs, cut.kvs, put.mock.calls]).toEqual([[], [], []])
    expect(await new Snapshots(etcd, keys, 3_500_000).write(snapshot)).toBe(true)
  })

  test('is read by its keys where etcd has compacted what a watch needs', async () => {
    const place = await newPlace()
    const who = await join(place)
    for (let i = 1; i <= 10; i++) await place.log.put(who, i, bytes(`${i}`), TIMEOUT_MS)
    const followed = await follow(place)
    const { revision } = followed.batches[9]
    await place.etcd.compact(revision)
    const late = await follow(place, followed.batches[4].revision)
    expect(late.batches.map(({ number }) => number)).toEqual([6, 7, 8, 9, 10])
    await place.log.put(who, 11, bytes('11'), TIMEOUT_MS)
    await late.until(() => late.batches.length === 6)
  })

  test('ends before what was heard of it only where etcd has been put back', async () => {
    const place = await newPlace()
    const who = await join(place)
    const followed = await follow(place)
    // The first batch of a node is in the log, and does not put the tail.
    expect(await followed.follower.askEnd()).toBeLessThan(followed.follower.position)
    const { log, etcd, keys } = place
    const named = { node: who.node, number: 0 }
    await log.sight(followed.follower.position, named)
    await log.put(who, 1, bytes('x'), TIMEOUT_MS)
    await followed.until(() => followed.batches.length === 1)
    await followed.follower.askEnd()
    expect(followed.broken).toBeUndefined()
    await etcd.txn({
      compare: [],
      success: [{ request_delete_range: { key: keys.tail } }],
    })
    await expect(followed.follower.askEnd()).rejects.toThrow('has lost what this node has')
    expect(followed.broken).toBeInstanceOf(ClusterError)
  })

  test('needs a snapshot where it has been cut, and a known format', async () => {
    const place = await newPlace('/formats/')
    await place.etcd.txn({
      compare: [],
      success: [{ request_put: { key: place.keys.cut, value: Buffer.from('5') } }],
    })
    const behind = new Followed(place, 4)
    ends.push(() => behind.follower.close())
    behind.snapshot = 5
    await behind.follower.start()
    expect([behind.cuts, behind.follower.position]).toEqual([1, 5])
    expect((await follow(place, 5)).cuts).toBe(0)
    await place.etcd.txn({
      compare: [],
      success: [{ request_put: { key: place.keys.format, value: Buffer.from('99') } }],
    })
    await expect(newPlace('/formats/')).rejects.toThrow(ClusterError)
    const who = await join(place)
    const followed = await follow(place, 5)
    const odd = place.keys.batch({ node: who.node, number: 9 })
    await place.etcd.txn({
      compare: [],
      success: [{ request_put: { key: odd, value: Buffer.from([99, 1]) } }],
    })
    await followed.until(() => followed.broken !== undefined)
    expect(String(followed.broken)).toContain('has format 99')
  })
})
