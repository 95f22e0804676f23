import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, expect, test } from 'vitest'
import { useProgram } from '../../clients/program.ts'
import { describeWithPeer } from '../../conformance/peers.ts'
import { ask, base64, type Members } from '../members.ts'
import { isLarge, note, seconds } from './figures.ts'
import { type ProcessGroup, type ProcessNode, startProcessGroup } from './process-group.ts'
import { differences, insist } from './trial.ts'

const MB = 1024 ** 2
/** Of a value, in MB. */
const SIZE = isLarge ? 60 : 5
/** Of etcd, in MB: room for two snapshots and the log, and for some values more. */
const QUOTA = SIZE * 20
const PREFIX = '/ktree/'
const ROUNDS = isLarge ? 10 : 2

/** A value that differs from part to part. */
function large(letter: string): string {
  let value = ''
  for (let i = 0; value.length < SIZE * MB; i++) value += letter.repeat(MB - 8) + `${i}`.padStart(8)
  return value.slice(0, SIZE * MB)
}

describeWithPeer('etcd', 'values that are longer than a request to etcd', () => {
  const program = useProgram()
  let group: ProcessGroup
  const clients: Redis[] = []

  async function begin(args: string[] = [], memberArgs: string[] = []): Promise<void> {
    group = await startProcessGroup(join(program.dist, 'main.js'), args, memberArgs)
    for (const node of group.nodes) clients.push(clientOf(node))
  }

  function clientOf({ port }: ProcessNode): Redis {
    const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 50 })
    client.on('error', () => {})
    return client
  }

  afterEach(async () => {
    for (const client of clients.splice(0)) client.disconnect()
    await group.stop()
  })

  /** How many parts are in etcd. */
  async function partsIn({ urls }: Members, number = ''): Promise<number> {
    const key = `${PREFIX}parts/${number}`
    const range = { key: base64(key), range_end: base64(`${key}~`), count_only: true }
    return Number((await ask(urls[0], 'kv/range', range)).count ?? 0)
  }

  async function expectEverywhere(key: string, value: string | null): Promise<void> {
    for (const client of clients) {
      await insist(() => client.call('KSYNC'))
      // Without the value in the message.
      expect((await client.get(key)) === value).toBe(true)
    }
  }

  const expectSame = async (): Promise<void> =>
    expect(await differences(group.nodes.map(({ port }) => port))).toEqual([])

  /** The revision up to which the log has been cut. */
  async function cutAt(): Promise<string> {
    const { kvs } = await ask(group.members.urls[0], 'kv/range', { key: base64(`${PREFIX}cut`) })
    return kvs?.[0]?.value ?? ''
  }

  /** Has the log cut, by writes of one node. */
  async function cut(): Promise<void> {
    for (const each of clients) await each.config('SET', 'log-max-batches', '20')
    for (const before = await cutAt(); (await cutAt()) === before; ) {
      await insist(() => clients[0].set('cut', 'x'.repeat(MB / 2)))
      // Slowly, because writing goes on faster than a long snapshot.
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    for (const each of clients) await each.config('SET', 'log-max-batches', '10000')
  }

  test('are written, also by two nodes at once and in EXEC, and read by a node that joins', async () => {
    await begin(['--log-max-memory', '10gb', '--cluster-timeout', '20000'])
    const [a, b, c] = clients
    const started = performance.now()
    await a.set('one', large('a'))
    const alone = seconds(started)
    await expectEverywhere('one', large('a'))
    note(`SET of ${SIZE} MB`, `reply after ${alone}; at all nodes after ${seconds(started)}`)
    const both = performance.now()
    await Promise.all([b.set('two', large('b')), c.call('KSET', '/three', large('c'))])
    const small = await a.set('small', 'x')
    note(`two of them at two nodes at once`, `replies after ${seconds(both)}`)
    expect(small).toBe('OK')
    await expectEverywhere('two', large('b'))
    await expectEverywhere('three', large('c'))
    const exec = performance.now()
    const replies = await b
      .multi()
      .set('four', large('d'))
      .set('five', 'x')
      .append('four', 'e')
      .exec()
    expect(replies?.map(([error]) => error)).toEqual([null, null, null])
    note(`EXEC with ${SIZE} MB`, `reply after ${seconds(exec)}`)
    await expectEverywhere('four', `${large('d')}e`)
    const joins = performance.now()
    const late = await group.add()
    await late.ready()
    clients.push(clientOf(late))
    await expectEverywhere('three', large('c'))
    note(`a node joins with four values of ${SIZE} MB in the log`, `serves after ${seconds(joins)}`)
    await cut()
    const begins = performance.now()
    const later = await group.add()
    await later.ready()
    clients.push(clientOf(later))
    const time = seconds(begins)
    expect(later.out).toMatch(/loaded \d+ files up to index \d+ from etcd/)
    await expectEverywhere('one', large('a'))
    await expectSame()
    expect(await partsIn(group.members)).toBeLessThan(4 * SIZE)
    const peaks = group.nodes.map(({ peak }) => Math.round(peak)).join(', ')
    note(
      'another one begins with the snapshot',
      `serves after ${time}; KSAVE equal; the nodes took ${peaks} MB at most`,
    )
  })

  test('are there or not where their node is killed between the parts, and leave none behind', async () => {
    await begin(['--cluster-timeout', '20000'])
    let there = 0
    let seen = 0
    for (let round = 0; round < ROUNDS; round++) {
      const value = large(String(round))
      const before = await partsIn(group.members)
      const writing = clients[1].set(`k${round}`, value).catch(() => undefined)
      const goal = before + Math.min(SIZE - 1, 1 + Math.floor((round * SIZE) / ROUNDS))
      let parts = 0
      do parts = await partsIn(group.members)
      while (parts < goal)
      await group.nodes[1].kill()
      seen += parts < before + SIZE ? 1 : 0
      await writing
      await insist(() => clients[0].call('KSYNC'))
      // What was on its way to etcd may still have come.
      const found = await clients[0].get(`k${round}`)
      if (found !== null) there++
      expect(found === null || found === value).toBe(true)
      // A lease runs out after ten seconds, which is etcd's matter.
      if (!isLarge) await group.members.endLeaseOf(`127.0.0.1:${group.nodes[1].port}`)
      await group.mend()
      await insist(() => clients[1].set(`after${round}`, 'x'))
    }
    await expectSame()
    // The names of the killed nodes end with their leases.
    const left = await partsIn(group.members)
    for (let parts = left; parts > 0 && seen > 0; parts = await partsIn(group.members)) await cut()
    note(
      `kill -9 of a node between the parts of ${SIZE} MB, ${ROUNDS} times`,
      `${there} values were there whole, ${ROUNDS - there} not at all; ${left} parts were left, none after the log was cut; KSAVE equal`,
    )
  })

  test('fill etcd, which refuses them whole, and takes writes again when it has room', async () => {
    // The log is cut, so that compaction frees what is before.
    const args = ['--log-max-memory', `${2 * SIZE}mb`, '--watch-history-memory', '1mb']
    await begin(args, ['--quota-backend-bytes', String(QUOTA * MB)])
    const [a, b] = clients
    const letterOf = (n: number): string => String.fromCharCode(97 + n)
    /** What has become of each: a refusal, or nothing. */
    const refusals: (string | undefined)[] = []
    let isFull = false
    while (!isFull) {
      const reply = a.set('big', large(letterOf(refusals.length)))
      refusals.push(
        await reply.then(
          () => undefined,
          (error: Error) => error.message,
        ),
      )
      if (refusals.at(-1) === undefined) continue
      isFull = await b.set('small', 'x').then(
        () => false,
        (error: Error) => /^CLUSTERDOWN.*space exceeded/.test(error.message),
      )
    }
    await insist(() => a.call('KSYNC'))
    const [letter] = (await a.get('big')) ?? ''
    // The last one that was made, or a later one that was in doubt.
    const since = refusals.slice(refusals.lastIndexOf(undefined))
    const possible = since.map((refusal, i) =>
      refusal === undefined || refusal.startsWith('UNCERTAIN')
        ? letterOf(refusals.length - since.length + i)
        : '',
    )
    expect(possible).toContain(letter)
    await expectEverywhere('big', large(letter))
    await expect(b.set('small', 'x')).rejects.toThrow(/^CLUSTERDOWN.*space exceeded/)
    await expectSame()
    const { urls } = group.members
    const { header } = await ask(urls[0], 'kv/range', { key: base64('x') })
    await ask(urls[0], 'kv/compaction', { revision: header.revision, physical: true })
    for (const url of urls) await ask(url, 'maintenance/defragment', {})
    const { alarms = [] } = (await ask(urls[0], 'maintenance/alarm', { action: 'GET' })) as {
      alarms?: { memberID: string }[]
    }
    for (const { memberID } of alarms) {
      await ask(urls[0], 'maintenance/alarm', { action: 'DEACTIVATE', alarm: 'NOSPACE', memberID })
    }
    await insist(() => b.set('small', 'x'))
    await insist(() => a.set('big', large('z')))
    await expectEverywhere('big', large('z'))
    await expectSame()
    note(
      `SETs of ${SIZE} MB to one key, with a quota of ${QUOTA} MB`,
      `${refusals.filter((refusal) => refusal === undefined).length} made, then ${refusals.at(-1)?.split(' ')[0]}; reads go on, KSAVE equal; after compaction, defragmentation and the end of the alarm writes go on`,
    )
  })
})
