import { afterAll, beforeAll, expect, test } from 'vitest'
import { Store } from '../../../src/store/store.ts'
import { textToBytes } from '../../../src/store/text.ts'
import { describeWithPeer, type RunningEtcd, startEtcd } from '../peers.ts'
import {
  EtcdClient,
  type EtcdEvent,
  type EtcdReply,
  type EtcdRequest,
  isError,
} from './etcd-client.ts'
import { newestSnapshot } from './newest-snapshot.ts'
import { etcdForm, etcdNode, storeForm, storeNode } from './wire-form.ts'

const anySpan = { start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY }
const SNAPSHOT_TIMEOUT_MS = 20_000

/** Every kind of write, each on a node from an earlier one. */
const writes: EtcdRequest[] = [
  { method: 'PUT', path: '/a/b/c', params: { value: '1' } },
  { method: 'PUT', path: '/a/b/_hidden/d', params: { value: 'é €' } },
  { method: 'PUT', path: '/é', params: { value: '' } },
  { method: 'PUT', path: '/lease', params: { value: '2', ttl: '1000' } },
  { method: 'PUT', path: '/directory', params: { dir: 'true', ttl: '2000' } },
  { method: 'PUT', path: '/directory/empty', params: { dir: 'true' } },
  { method: 'POST', path: '/queue', params: { value: 'job' } },
  { method: 'PUT', path: '/a/b/c', params: { value: '3', prevValue: '1' } },
  { method: 'PUT', path: '/lease', params: { ttl: '3000', refresh: 'true', prevExist: 'true' } },
  { method: 'PUT', path: '/deleted', params: { value: '4' } },
  { method: 'DELETE', path: '/deleted' },
  { method: 'PUT', path: '/compared', params: { value: '5' } },
  { method: 'DELETE', path: '/compared', params: { prevValue: '5' } },
  { method: 'PUT', path: '/brief', params: { value: '6', ttl: '1' } },
]
const hidden = ['/a/b/_hidden', '/a/b/_hidden/d']

describeWithPeer('etcd', 'a state saved by etcd', () => {
  let server: RunningEtcd
  let etcd: EtcdClient
  const written = new Map<number, EtcdEvent>()
  /** For each index, the replies with the whole tree and with the hidden nodes. */
  const trees = new Map<number, EtcdReply[]>()

  beforeAll(async () => {
    server = await startEtcd(['--snapshot-count', '10'])
    etcd = new EtcdClient(server.url)
  })
  afterAll(async () => {
    etcd.close()
    await server.stop()
  })

  async function readAll(): Promise<void> {
    const params = { recursive: 'true' }
    const replies = [await etcd.send({ method: 'GET', path: '/', params })]
    for (const path of hidden) replies.push(await etcd.send({ method: 'GET', path }))
    trees.set(replies[0].index, replies)
  }

  async function write(request: EtcdRequest): Promise<void> {
    const { index, body } = await etcd.send(request)
    if (isError(body)) throw new Error(`${request.path}: ${body.message}`)
    written.set(index, body)
    await readAll()
  }

  test('loads with every node, index, lease and event', async () => {
    for (const request of writes) await write(request)
    const last = Math.max(...written.keys())
    const expiry = await etcd.watch('/brief', false, last + 1)
    const expired = await expiry.event
    if (isError(expired)) throw new Error(expired.message)
    written.set(expired.node.modifiedIndex ?? 0, expired)

    const store = new Store()
    // etcd saves in the background, every ten entries. This waits until it has saved all writes.
    const deadline = Date.now() + SNAPSHOT_TIMEOUT_MS
    for (let i = 0; store.index <= last + 1; i++) {
      if (Date.now() > deadline) throw new Error('etcd has saved nothing')
      await write({ method: 'PUT', path: '/filler', params: { value: String(i) } })
      const document = await newestSnapshot(server.dataDir)
      if (document !== undefined) store.recovery(document)
    }

    const replies = trees.get(store.index) ?? []
    expect(replies).toHaveLength(3)
    const [tree, ...others] = replies
    if (isError(tree.body)) throw new Error(tree.body.message)
    const ours = storeNode(store.get('/', { recursive: true }).node, false, anySpan)
    expect(ours).toEqual(etcdNode(tree.body.node, false, anySpan))
    for (const [i, reply] of others.entries()) {
      expect(storeForm(store.get(hidden[i]), false, anySpan)).toEqual(
        etcdForm(reply, false, anySpan),
      )
    }
    expect(store.leases).toBe(2)

    let events = 0
    // Events outside the clients' keys keep their index, and have the key `/`.
    const history = [...store.history].filter((event) => event.node.key !== '/')
    for (const event of history) {
      const body = written.get(event.index)
      if (body === undefined) throw new Error(`no write made index ${event.index}`)
      const theirs = etcdForm({ index: event.index, body }, false, anySpan)
      expect(storeForm(event, false, anySpan)).toEqual(theirs)
      events++
    }
    expect(events).toBe([...written.keys()].filter((index) => index <= store.index).length)
    const refreshes = history.filter((event) => event.refresh)
    expect(refreshes.map(({ node }) => node.key)).toEqual(['/lease'])
    expect(store.findEvent('/lease', false, last)).toBeUndefined()

    // The state that the store saves loads again, and is the same.
    const copy = new Store()
    copy.recovery(store.save())
    expect(copy.save()).toBe(store.save())
    expect(copy.get(textToBytes('/é')).node.value).toBe('')
  })

  test('loads from an etcd with users', async () => {
    const body = JSON.stringify({ user: 'root', password: 'secret' })
    await fetch(`${server.url}/v2/auth/users/root`, { method: 'PUT', body })
    const store = new Store()
    const deadline = Date.now() + SNAPSHOT_TIMEOUT_MS
    const { index } = await etcd.send({ method: 'GET', path: '/' })
    for (let i = 0; store.index <= index; i++) {
      if (Date.now() > deadline) throw new Error('etcd has saved nothing')
      await write({ method: 'PUT', path: '/filler', params: { value: String(i) } })
      store.recovery((await newestSnapshot(server.dataDir)) ?? '')
    }
    expect(store.get(textToBytes('/é')).node.value).toBe('')
  })
})
