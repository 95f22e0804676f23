import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { describeWithPeer } from '../conformance/peers.ts'
import { type Group, startGroup } from './group.ts'
import { ask, base64, type Members, startMembers } from './members.ts'

/** A batch of a format that is not known, in base64. */
const ODD_BATCH = Buffer.from([99, 1]).toString('base64')

describeWithPeer('etcd', 'another format version', () => {
  let members: Members
  let group: Group
  let dir: string

  beforeAll(async () => {
    members = await startMembers(1)
  })
  afterAll(() => members.stop())
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ktree-formats-'))
    group = await startGroup({ on: members, nodes: 1, directives: { 'log-max-batches': '5' } })
  })
  afterEach(async () => {
    await group.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  const put = async (name: string, value: string): Promise<void> => {
    await ask(members.urls[0], 'kv/put', { key: base64(group.prefix + name), value })
  }
  const read = async (name: string): Promise<string> => {
    const { kvs } = await ask(members.urls[0], 'kv/range', { key: base64(group.prefix + name) })
    return Buffer.from(kvs?.[0]?.value ?? '', 'base64').toString()
  }

  test('of the log: a node does not start', async () => {
    await put('format', base64('99'))
    await expect(group.add()).rejects.toThrow(
      'etcd holds a log of format 99; this ktree knows format 2',
    )
  })

  test('of a batch: a node that runs ends, and one that starts does not', async () => {
    const lines: string[] = []
    const logger = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) })
    const node = await group.add({ logger })
    const client = group.client(node)
    await client.set('a', '1')
    expect(node.isBroken).toBe(false)
    const ended = new Promise((resolve) => client.once('close', resolve))
    await put('log/later/0000000000000001', ODD_BATCH)
    await ended
    await node.closed
    // The exit code says so, for those who start it again.
    expect(node.isBroken).toBe(true)
    expect(lines.join()).toContain(
      'a batch in etcd has format 99, kind 1; this ktree knows format 2',
    )
    await expect(group.add()).rejects.toThrow('a batch in etcd has format 99')
    expect(await read('log/later/0000000000000001')).toBe('c\u0001')
  })

  test('of the snapshot: a node does not start', async () => {
    const client = group.client(0)
    while ((await read('snapshot')) === '') await client.incr('a')
    const head = (await read('snapshot')).replace('"format":2', '"format":99')
    await put('snapshot', base64(head))
    await expect(group.add()).rejects.toThrow('the snapshot in etcd has format 99')
    await put('snapshot', base64(head.replace('"format":99', '"format":2')))
    await group.add()
    const odd = head.replace('"format":99', '"format":2').replace(/"time":\d+/, '"time":"x"')
    await put('snapshot', base64(odd))
    await expect(group.add()).rejects.toThrow('the snapshot in etcd has a head with a wrong field')
    // Its last changes come before the state: 328,965 bytes of lists.
    const part = `snapshots/${/"id":"(\w+)"/.exec(odd)?.[1]}/`
    const lists = `[${'[],'.repeat(100_000)}1`.padEnd(0x050505 - 1)
    await put('snapshot', base64(head.replace('"format":99', '"format":2')))
    await put(`${part}${'0'.repeat(6)}`, base64(`\x05\x05\x05\0${lists}]{}`))
    await expect(group.add()).rejects.toThrow('a head with more values than any')
  })

  test('of the own copy: a node reads etcd instead', async () => {
    const first = await group.add({ directives: { dir } })
    await group.client(first).set('a', '1')
    await first.close()
    const path = join(dir, 'node-copy')
    const copy = readFileSync(path).toString('latin1').slice(0, -4)
    const bytes = Buffer.from(`${copy.replace('"format":2', '"format":99')}____`, 'latin1')
    bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4)
    writeFileSync(path, bytes)
    const lines: string[] = []
    const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) })
    const again = group.client(await group.add({ logger, directives: { dir } }))
    expect(lines.join()).toContain('it has format 99; this ktree knows format 2')
    expect(await again.get('a')).toBe('1')
  })
})
