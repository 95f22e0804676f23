import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Redis } from 'ioredis'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { readBatchValue } from '../../src/cluster/batch-value.ts'
import type { TreeAfterBatch } from '../../src/cluster/copies.ts'
import { Etcd } from '../../src/cluster/etcd/etcd.ts'
import { EtcdLog } from '../../src/cluster/etcd-log.ts'
import { FormatUpgrade } from '../../src/cluster/format-upgrade.ts'
import { Keys } from '../../src/cluster/keys.ts'
import { Snapshots } from '../../src/cluster/snapshots.ts'
import { describeWithPeer } from '../conformance/peers.ts'
import { type Group, startGroup } from './group.ts'
import { type Members, startMembers } from './members.ts'

describeWithPeer('etcd', 'a log of the former format', () => {
  let members: Members
  let group: Group
  let etcd: Etcd
  let keys: Keys
  const dirs: string[] = []

  beforeAll(async () => {
    members = await startMembers(1)
  })
  afterAll(() => members.stop())
  beforeEach(async () => {
    group = await startGroup({ on: members, nodes: 0, directives: { 'log-max-batches': '20' } })
    etcd = new Etcd({ endpoints: members.urls })
    keys = new Keys(group.prefix)
  })
  afterEach(async () => {
    await group.stop()
    etcd.close()
    for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true })
  })

  function newDir(): string {
    const dir = mkdtempSync(join(tmpdir(), 'ktree-upgrade-'))
    dirs.push(dir)
    return dir
  }

  async function put(key: Buffer, value: Buffer | string): Promise<number> {
    const success = [{ request_put: { key, value: Buffer.from(value) } }]
    return (await etcd.txn({ compare: [], success })).header.revision
  }

  const format = async (): Promise<string | undefined> =>
    (await etcd.range({ key: keys.format })).kvs[0]?.value.toString()

  /** Makes what is in etcd what a former ktree has written. @returns the revision of the last batch */
  async function makeFormer(): Promise<number> {
    const { kvs } = await etcd.range(keys.log)
    let last = 0
    for (const { key, value } of kvs.toSorted((a, b) => a.mod_revision - b.mod_revision)) {
      expect(value[0]).toBe(2)
      value[0] = 1
      last = await put(key, value)
    }
    const [snapshot] = (await etcd.range({ key: keys.snapshot })).kvs
    if (snapshot !== undefined) {
      await put(keys.snapshot, snapshot.value.toString().replace('"format":2', '"format":1'))
    }
    await put(keys.format, '1')
    return last
  }

  /** Makes the copy of a node that of a former ktree, which has made something else of the log. */
  function makeFormerCopy(dir: string, revision: number, from: string, to: string): void {
    const path = join(dir, 'node-copy')
    const text = readFileSync(path).toString('latin1').slice(0, -4)
    expect(text).toContain(from)
    const former = text
      .replace('"format":2', '"format":1')
      .replace(/"revision":\d+/, `"revision":${revision}`)
      .replaceAll(from, to)
    const bytes = Buffer.from(`${former}____`, 'latin1')
    bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4)
    writeFileSync(path, bytes)
  }

  async function expectSameStates(...clients: Redis[]): Promise<void> {
    for (const client of clients) await client.call('KSYNC')
    const states = await Promise.all(clients.map((client) => client.call('KSAVE')))
    for (const state of states) expect(state).toBe(states[0])
  }

  test('becomes one of the present format, with a snapshot, when the first node starts', async () => {
    const former = await group.add()
    const client = group.client(former)
    for (let i = 0; i < 60; i++) await client.set(`k${i}`, 'x'.repeat(2000))
    await former.close()
    await makeFormer()
    const nodes = await Promise.all([group.add(), group.add(), group.add()])
    expect(await format()).toBe('2')
    const clients = nodes.map((node) => group.client(node))
    for (const each of clients) expect(await each.dbsize()).toBe(60)
    await clients[1].set('later', 'x')
    await expectSameStates(...clients, group.client(await group.add()))
    // A former node that was only cut off meets this before anything that was written since.
    const { kvs } = await etcd.range(keys.log)
    const since = kvs.filter(({ value }) => value[0] === 2)
    const [first] = since.toSorted((a, b) => a.mod_revision - b.mod_revision)
    const [changed] = (await etcd.range({ key: keys.format })).kvs
    expect(first.mod_revision).toBe(changed.mod_revision)
    expect(
      kvs.every(({ value, mod_revision }) => value[0] === 2 || mod_revision < changed.mod_revision),
    ).toBe(true)
  })

  test('is left alone while a former node is alive', async () => {
    await (await group.add()).close()
    await makeFormer()
    for (let i = 0; i < 10; i++) {
      await put(
        keys.node(`n${i}`),
        JSON.stringify({ name: `old${i}`, address: `10.0.0.${i}:6390` }),
      )
    }
    const failure = await group.add().catch((error: Error) => error.message)
    expect(failure).toMatch(/a log of format 1, and nodes of a former ktree serve it: old0 at 10/)
    expect(failure).toMatch(/old7 at 10.0.0.7:6390, 2 more\. Stop all nodes/)
    expect(await format()).toBe('1')
    await etcd.txn({ compare: [], success: [{ request_delete_range: keys.nodes }] })
    await group.add()
    expect(await format()).toBe('2')
  })

  test('leaves to all nodes what the first one has, also in copies of their own', async () => {
    const [a, b, c] = [newDir(), newDir(), newDir()]
    for (const dir of [a, b, c]) {
      const node = await group.add({ directives: { dir } })
      await group.client(node).set('of', 'the-log')
      await node.close()
    }
    const last = await makeFormer()
    // Only the last one has its last batch still: others begin with the log.
    makeFormerCopy(c, last, 'the-log', 'former-c')
    makeFormerCopy(b, last, 'the-log', 'former-b')
    const lines: string[] = []
    const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) })
    const head = /"batch":\{[^}]*\}/
    const batchOf = (dir: string): string =>
      head.exec(readFileSync(join(dir, 'node-copy'), 'latin1'))?.[0] ?? ''
    makeFormerCopy(b, last, batchOf(b), batchOf(c))
    const first = group.client(await group.add({ directives: { dir: c } }))
    expect(await first.get('of')).toBe('former-c')
    const others = [group.client(await group.add({ logger, directives: { dir: b } }))]
    others.push(group.client(await group.add({ logger, directives: { dir: a } })))
    others.push(group.client(await group.add()))
    for (const other of others) expect(await other.get('of')).toBe('former-c')
    await expectSameStates(first, ...others)
    expect(lines.join()).toMatch(/node-copy is of a former ktree: reads etcd instead/)
  })

  test('is read where a copy has what this ktree refuses', async () => {
    const dir = newDir()
    const node = await group.add({ directives: { dir } })
    await group.client(node).set('name', 'of-the-log')
    await node.close()
    makeFormerCopy(dir, await makeFormer(), '"CurrentIndex":', '"CurrentIndex":-')
    const lines: string[] = []
    const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) })
    const again = group.client(await group.add({ logger, directives: { dir } }))
    expect(lines.join()).toMatch(/cannot use .*node-copy, and reads etcd instead/)
    expect(await again.get('name')).toBe('of-the-log')
  })

  test('is upgraded by one node, and from all that was written until then', async () => {
    const log = new EtcdLog(etcd, keys)
    await log.open()
    await put(keys.format, '1')
    const snapshots = new Snapshots(etcd, keys)
    const taken: number[] = []
    const calls: string[] = []
    const upgradeThat = (onTake: () => Promise<unknown>): FormatUpgrade =>
      new FormatUpgrade({
        ...{ etcd, keys, snapshots },
        load: async () => void calls.push('load'),
        take: async (): Promise<TreeAfterBatch> => {
          const revision = await log.end()
          taken.push(revision)
          await onTake()
          const head = { revision, time: 1, changes: 0, recent: [] }
          return {
            head,
            last: undefined,
            pieces: [`${revision}`],
            length: { cut: 0, batches: 0, bytes: 0 },
          }
        },
        restore: async () => void calls.push('restore'),
      })
    // A former node starts, writes, and leaves, between the look and the transaction: once.
    await upgradeThat(async () => {
      if (taken.length === 1) await put(keys.tail, '')
    }).run()
    expect([taken.length, calls]).toEqual([2, ['load', 'load']])
    expect((await snapshots.read())?.state.toString()).toBe(String(taken[1]))
    // Another node of this ktree has come before.
    await put(keys.format, '1')
    await upgradeThat(async () => {
      await upgradeThat(async () => {}).run()
      calls.splice(0)
    }).run()
    expect(calls).toEqual(['restore'])
    expect(await format()).toBe('2')
    // Whatever has changed the format.
    await put(keys.format, '1')
    calls.splice(0)
    await upgradeThat(() => put(keys.format, '2')).run()
    expect(calls).toEqual(['load', 'restore'])
    // etcd is put back to an earlier day meanwhile.
    await put(keys.format, '1')
    const taking = new FormatUpgrade({
      ...{ etcd, keys, snapshots },
      load: async () => void calls.push('load'),
      take: async () => {
        const head = { revision: 1_000_000, time: 1, changes: 0, recent: [] }
        return {
          head,
          last: { node: 'gone', number: 1 },
          pieces: [],
          length: { cut: 0, batches: 0, bytes: 0 },
        }
      },
      restore: async () => void calls.push('restore'),
    })
    calls.splice(0)
    await expect(taking.run()).rejects.toThrow(/the log in etcd has lost what this node has/)
    expect([calls, await format()]).toEqual([['load', 'load'], '1'])
    // A former node starts meanwhile, and stays.
    await put(keys.format, '1')
    const info = JSON.stringify({ name: 'old', address: '' })
    await expect(upgradeThat(() => put(keys.node('old'), info)).run()).rejects.toThrow(
      /nodes of a former ktree serve it: old at/,
    )
    expect(await format()).toBe('1')
  })

  test('has batches that can be read, and those of unknown formats cannot', () => {
    for (const version of [1, 2]) {
      expect(readBatchValue(Buffer.from([version, 1, 65]))).toMatchObject({ kind: 'record' })
      expect(readBatchValue(Buffer.from([version, 2]))).toEqual({ kind: 'void' })
    }
    for (const version of [0, 3]) {
      expect(() => readBatchValue(Buffer.from([version, 2]))).toThrow(/format/)
    }
  })
})
