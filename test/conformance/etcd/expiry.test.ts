import { afterAll, beforeAll, expect, test } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import type { Event } from '../../../src/store/event.ts'
import { Store } from '../../../src/store/store.ts'
import { describeWithPeer, type RunningEtcd, startEtcd } from '../peers.ts'
import { EtcdClient, type EtcdEvent, isError } from './etcd-client.ts'
import { etcdNode, storeNode, type WireNode } from './wire-form.ts'

/** An event as it is compared: without times, because etcd has a clock of its own. */
interface Shape {
  action: string
  node: WireNode
  prevNode: WireNode | undefined
}

const untimed = (node: WireNode, base: number): WireNode => ({
  ...node,
  expiration: node.expiration === undefined ? undefined : 0,
  createdIndex: node.createdIndex - base,
  modifiedIndex: node.modifiedIndex - base,
})
const anySpan = { start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY }

const etcdShape = ({ action, node, prevNode }: EtcdEvent, base: number): Shape => ({
  action,
  node: untimed(etcdNode(node, true, anySpan), base),
  prevNode: prevNode && untimed(etcdNode(prevNode, true, anySpan), base),
})
const storeShape = ({ action, node, prevNode }: Event): Shape => ({
  action,
  node: untimed(storeNode(node, true, anySpan), 0),
  prevNode: prevNode && untimed(storeNode(prevNode, true, anySpan), 0),
})

describeWithPeer('etcd', 'expiry', () => {
  let server: RunningEtcd
  let etcd: EtcdClient

  beforeAll(async () => {
    server = await startEtcd()
    etcd = new EtcdClient(server.url)
  })
  afterAll(async () => {
    etcd.close()
    await server.stop()
  })

  test('files and directories expire with the same events as in etcd', async () => {
    const put = (path: string, params: Record<string, string>) =>
      etcd.send({ method: 'PUT', path, params })
    // The shortest TTL must last until all is written, even on a busy machine.
    const base = (await etcd.send({ method: 'GET', path: '/' })).index
    await put('/first', { value: '1', ttl: '2' })
    await put('/directory', { dir: 'true', ttl: '3' })
    await put('/directory/below/x', { value: '2' })
    await put('/directory/early', { value: '3', ttl: '2' })
    await put('/renewed', { value: '4', ttl: '2' })
    await put('/renewed', { ttl: '4', refresh: 'true', prevExist: 'true' })
    await put('/kept', { value: '5', ttl: '2' })
    await put('/kept', { value: '6', prevExist: 'true' })

    const clock = new ManualClock()
    const store = new Store({ clock })
    const after = (seconds: number) => ({ expireTime: clock.now() + seconds * 1000 })
    store.set('/first', '1', after(2))
    store.setDirectory('/directory', after(3))
    store.set('/directory/below/x', '2')
    store.set('/directory/early', '3', after(2))
    store.set('/renewed', '4', after(2))
    store.update('/renewed', '', { ...after(4), refresh: true })
    store.set('/kept', '5', after(2))
    store.update('/kept', '6')
    const ours: Event[] = []
    store.watch('/', { recursive: true, stream: true }, (event) => ours.push(event))
    for (let second = 0; second < 4; second++) {
      clock.advance(1000)
      store.deleteExpiredKeys(clock.now())
    }

    const writes = 8
    const theirs: EtcdEvent[] = []
    while (theirs.length < ours.length) {
      const since = base + writes + 1 + theirs.length
      const watch = await etcd.watch('/', true, since)
      const event = await watch.event
      if (isError(event)) throw new Error(event.message)
      theirs.push(event)
    }
    expect(ours.map(storeShape)).toEqual(theirs.map((event) => etcdShape(event, base)))
    expect(ours.map(({ node }) => node.key)).toEqual([
      '/first',
      '/directory/early',
      '/directory',
      '/renewed',
    ])

    // A watcher of the directory and one below it see the same event when it expires.
    for (const path of ['/directory', '/directory/below/x']) {
      const watch = await etcd.watch(path, false, base + writes + 1)
      const event = await watch.event
      const found = store.findEvent(path, false, writes + 1)
      expect(isError(event) ? event : etcdShape(event, base)).toEqual(found && storeShape(found))
    }

    const rest = await etcd.send({ method: 'GET', path: '/', params: { recursive: 'true' } })
    expect(rest.index - base).toBe(store.index)
    if (isError(rest.body)) throw new Error(rest.body.message)
    expect(
      etcdNode(rest.body.node, true, anySpan).nodes.map((node) => untimed(node, base)),
    ).toEqual(storeNode(store.get('/').node, true, anySpan).nodes.map((node) => untimed(node, 0)))
  })
})
