import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect } from 'vitest'
import { type RunningServer, startServer } from '../../../src/server/start.ts'
import { Store } from '../../../src/store/store.ts'
import { textToBytes } from '../../../src/store/text.ts'
import { exportTree } from '../../../src/transfer/export.ts'
import { importTree } from '../../../src/transfer/import.ts'
import { testAlone } from '../../cluster/alone.ts'
import { Recorder } from '../../transfer/recorder.ts'
import { describeWithPeer, type RunningEtcd, startEtcd } from '../peers.ts'
import { EtcdClient, type EtcdNode, type EtcdRequest, isError } from './etcd-client.ts'
import { newestSnapshot } from './newest-snapshot.ts'
import { etcdNode, storeNode, type WireNode } from './wire-form.ts'

const anySpan = { start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY }
const SNAPSHOT_TIMEOUT_MS = 20_000
const QUEUE_LENGTH = 20

/** Writes nodes of all kinds, and changes or deletes some of them. */
function writes(): EtcdRequest[] {
  const put = (path: string, params: Record<string, string>): EtcdRequest => ({
    method: 'PUT',
    path,
    params,
  })
  const requests = [
    put('/config/name', { value: 'api' }),
    put('/config/name', { value: 'api 2' }),
    put('/config/empty', { value: '' }),
    put('/config/grüße/世界', { value: 'é € 😀 "quoted" \\ \n\t' }),
    put('/config/long', { value: 'x'.repeat(20_000) }),
    put('/config/_hidden/below/_deeper', { value: 'unseen' }),
    put('/_top', { value: 'hidden too' }),
    put('/deep/1/2/3/4/5/6/7/8/9', { value: 'deep' }),
    put('/directory/empty', { dir: 'true' }),
    put('/leases/directory', { dir: 'true', ttl: '5000' }),
    put('/leases/directory/x', { value: 'no TTL of its own' }),
    put('/leases/file', { value: '1', ttl: '1000' }),
    put('/leases/file', { ttl: '3000', refresh: 'true', prevExist: 'true' }),
    put('/leases/kept', { value: '1', ttl: '1000' }),
    put('/leases/kept', { value: '2', prevExist: 'true' }),
    put('/leases/brief', { value: '1', ttl: '1' }),
    put('/swapped', { value: '1' }),
    put('/swapped', { value: '2', prevValue: '1' }),
    put('/deleted', { value: '1' }),
    put('/removed/with/all', { value: '1' }),
  ]
  for (let i = 0; i < QUEUE_LENGTH; i++) {
    requests.push({ method: 'POST', path: '/queue', params: { value: `job ${i}` } })
  }
  requests.push({ method: 'DELETE', path: '/deleted' })
  requests.push({ method: 'DELETE', path: '/removed', params: { recursive: 'true' } })
  return requests
}

/** Hidden nodes, which no listing shows: they are read by their own paths. */
const hidden = ['/config/_hidden', '/config/_hidden/below/_deeper', '/_top']

describeWithPeer('etcd', 'a tree imported from etcd', () => {
  let etcdServer: RunningEtcd
  let etcd: EtcdClient
  let directory: string
  let server: RunningServer | undefined

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'ktree-import-'))
    etcdServer = await startEtcd(['--snapshot-count', '5'])
    etcd = new EtcdClient(etcdServer.url)
  })
  afterAll(async () => {
    etcd.close()
    await server?.close()
    await etcdServer.stop()
    rmSync(directory, { recursive: true })
  })

  async function ask(path: string): Promise<{ index: number; node: WireNode }> {
    const reply = await etcd.send({ method: 'GET', path, params: { recursive: 'true' } })
    if (isError(reply.body)) throw new Error(`${path}: ${reply.body.message}`)
    return { index: reply.index, node: etcdNode(reply.body.node as EtcdNode, false, anySpan) }
  }

  /**
   * Waits until etcd has saved its state at an index. No client writes, but while a key has a TTL etcd
   * adds an entry to its log twice a second, and saves a snapshot every few entries.
   */
  async function untilSaved(index: number): Promise<void> {
    const deadline = Date.now() + SNAPSHOT_TIMEOUT_MS
    const saved = new Store()
    while (saved.index !== index) {
      if (Date.now() > deadline) throw new Error(`etcd has saved ${saved.index}, not ${index}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
      const document = await newestSnapshot(etcdServer.dataDir)
      if (document !== undefined) saved.recovery(document)
    }
  }

  const importInto = async (file: string, dir: string): Promise<string[]> => {
    const stderr = new Recorder()
    const stdin = Readable.from([])
    await importTree(new Store(), { file, dir, replace: false, stdin, stderr })
    return stderr.lines
  }

  testAlone(
    'the tree of a server comes into a group by etcd-bootstrap',
    'has the same nodes, indexes and TTLs as in etcd, also after export and import',
    async () => {
      for (const request of writes()) {
        const { body } = await etcd.send(request)
        if (isError(body)) throw new Error(`${request.path}: ${body.message}`)
      }
      const written = await ask('/')
      // The last change is the expiry of the node with the shortest TTL.
      await (await etcd.watch('/leases/brief', false, written.index + 1)).event
      const tree = await ask('/')
      expect(tree.index).toBe(written.index + 1)
      await untilSaved(tree.index)

      const first = join(directory, 'first')
      const second = join(directory, 'second')
      const file = join(directory, 'state.json')
      const lines = await importInto(etcdServer.dataDir, first)
      expect(lines).toEqual([
        expect.stringMatching(/^taking .*\.snap$/),
        expect.stringMatching(/^imported into .*: \d+ nodes .* 2 with a TTL$/),
      ])
      const outputs = { stdout: new Recorder(), stderr: new Recorder() }
      await exportTree(new Store(), { file, dir: first, replace: false, ...outputs })
      await importInto(file, second)

      for (const dir of [first, second]) {
        server = await startServer({ directives: { dir, durability: 'everysec' } })
        const { store } = server
        expect(store.index).toBe(tree.index)
        const ours = storeNode(store.get('/', { recursive: true }).node, false, anySpan)
        expect(ours).toEqual(tree.node)
        expect(store.get('/queue').node.nodes).toHaveLength(QUEUE_LENGTH)
        for (const path of hidden) {
          const node = storeNode(store.get(path, { recursive: true }).node, false, anySpan)
          expect(node).toEqual((await ask(path)).node)
        }
        expect(store.get(textToBytes('/config/grüße/世界')).node.value).toBe(
          textToBytes('é € 😀 "quoted" \\ \n\t'),
        )
        await server.close()
      }
      // etcd's index may be higher by now, because it writes its cluster's version at some point.
      expect((await ask('/')).node).toEqual(tree.node)
    },
  )

  testAlone(
    'the test before is left out',
    'lacks the writes after the snapshot, and import says so',
    async () => {
      const { index } = await ask('/')
      await untilSaved(index)
      await etcd.send({ method: 'PUT', path: '/later', params: { value: '1' } })
      await etcd.send({ method: 'DELETE', path: '/later' })
      const lines = await importInto(etcdServer.dataDir, join(directory, 'third'))
      // etcd may have saved a snapshot in the meantime, with one of the two writes or both.
      const imported = Number(/ index (\d+),/.exec(lines.at(-1) ?? '')?.[1])
      const missing = index + 2 - imported
      expect(lines.some((line) => line.startsWith('warning: '))).toBe(missing > 0)
      if (missing > 0) {
        expect(lines[1]).toMatch(/^warning: the snapshot is the state at raft index \d+, and /)
        expect(lines[1]).toContain(
          missing === 1 ? ' 1 later write is not' : ' 2 later writes are not',
        )
      }
    },
  )
})
