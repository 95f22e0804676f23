import { afterAll, beforeAll, expect, test } from 'vitest'
import { ManualClock } from '../../../src/store/clock.ts'
import type { Event } from '../../../src/store/event.ts'
import { Store } from '../../../src/store/store.ts'
import { describeWithPeer, type RunningEtcd, startEtcd } from '../peers.ts'
import { EtcdClient, type EtcdEvent, type EtcdReply } from './etcd-client.ts'

let server: RunningEtcd
let etcd: EtcdClient

const put = (path: string, params: Record<string, string>): Promise<EtcdReply> =>
  etcd.send({ method: 'PUT', path, params })
const remove = (path: string): Promise<EtcdReply> =>
  etcd.send({ method: 'DELETE', path, params: { recursive: 'true' } })
const read = (path: string): Promise<EtcdReply> => etcd.send({ method: 'GET', path })

/** Collects the events that a watcher of the store sees. */
function record(store: Store, path: string, options = {}): Event[] {
  const events: Event[] = []
  store.watch(path, { stream: true, ...options }, (event) => events.push(event))
  return events
}

const actions = (events: readonly (Event | EtcdEvent)[]): string[] =>
  events.map(({ action }) => action)

interface Departure {
  etcd: string
  ktree: string
  show(): Promise<void>
}

/** Where ktree departs from etcd on purpose. Each departure is shown on both sides. */
const departures: Departure[] = [
  {
    etcd: 'a stream watch from a past index delivers one event and stalls',
    ktree: 'replays all, then goes live',
    async show() {
      const { index } = await put('/stall', { value: '1' })
      await put('/stall', { value: '2' })
      const past = await etcd.stream('/stall', index)
      const live = await etcd.stream('/stall')
      await put('/stall', { value: '3' })
      await live.until(1)
      expect(past.events).toMatchObject([{ node: { value: '1' } }])
      past.close()
      live.close()

      const store = new Store()
      store.set('/stall', '1')
      store.set('/stall', '2')
      const events = record(store, '/stall', { since: 1 })
      store.set('/stall', '3')
      expect(events.map(({ node }) => node.value)).toEqual(['1', '2', '3'])
    },
  },
  {
    etcd: 'keeps 1000 events, and refuses a quiet key’s watcher once they have passed',
    ktree: 'keeps as many as configured, and refuses only if a watched event was dropped',
    async show() {
      const { index } = await put('/quiet', { value: '1' })
      const writes = Array.from({ length: 1001 }, () => put('/busy', { value: '1' }))
      await Promise.all(writes)
      // Nothing has happened to the key since its last event.
      const refused = await etcd.watch('/quiet', false, index + 1)
      expect(await refused.event).toMatchObject({ errorCode: 401 })

      const store = new Store({ watchHistory: 10 })
      store.set('/quiet', '1')
      for (let i = 0; i < 11; i++) store.set('/busy', '1')
      expect(store.findEvent('/quiet', false, 2)).toBeUndefined()
      expect(() => store.findEvent('/quiet', false, 1)).toThrow(
        'the requested history has been cleared [3/1]',
      )
      expect(store.findEvent('/busy', false, 3)?.index).toBe(3)

      const roomy = new Store({ watchHistory: 2000 })
      roomy.set('/quiet', '1')
      for (let i = 0; i < 1001; i++) roomy.set('/busy', '1')
      expect(roomy.findEvent('/quiet', false, 1)?.index).toBe(1)
    },
  },
  {
    etcd: 'an empty prevValue is refused, and a prevIndex of 0 is no condition',
    ktree: 'a condition given is a condition tested',
    async show() {
      await put('/condition', { value: '1' })
      const empty = await put('/condition', { value: '2', prevValue: '' })
      expect(empty.body).toMatchObject({ errorCode: 201 })
      const zero = await put('/condition', { value: '2', prevIndex: '0' })
      expect(zero.body).toMatchObject({ action: 'set', node: { value: '2' } })

      const store = new Store()
      store.set('/condition', '1')
      const swap = (conditions: object) => () => store.compareAndSwap('/condition', conditions, '2')
      expect(swap({ prevValue: '' })).toThrow('Compare failed ([ != 1])')
      expect(swap({ prevIndex: 0 })).toThrow('Compare failed ([0 != 1])')
      store.set('/condition', '')
      expect(swap({ prevValue: '' })()).toMatchObject({ action: 'compareAndSwap' })
    },
  },
  {
    etcd: 'some failures are counted as successes in the stats, some twice',
    ktree: 'counted right',
    async show() {
      await put('/counted', { value: '1' })
      const before = await etcd.stats()
      const params = { prevValue: 'other' }
      const failed = await etcd.send({ method: 'DELETE', path: '/counted', params })
      expect(failed.body).toMatchObject({ errorCode: 101 })
      await put('/counted/below', { value: '1', prevExist: 'false' })
      const after = await etcd.stats()
      const grown = (name: string): number => after[name] - before[name]
      expect(grown('compareAndDeleteSuccess')).toBe(1)
      expect(grown('compareAndDeleteFail')).toBe(0)
      expect(grown('createFail')).toBe(1)
      expect(grown('setsFail')).toBe(1)

      const store = new Store()
      store.set('/counted', '1')
      expect(() => store.compareAndDelete('/counted', params)).toThrow('Compare failed')
      expect(() => store.create('/counted/below', '1')).toThrow('Not a directory')
      const ours = store.statsMap()
      expect(ours).toMatchObject({ compareAndDeleteSuccess: 0, compareAndDeleteFail: 1 })
      expect(ours).toMatchObject({ createFail: 1, setsFail: 0 })
      expect(Object.keys(store.statsMap())).toEqual(Object.keys(after))
    },
  },
  {
    etcd: 'deleting the directory /foo wakes a watcher of /foobar, from a past index',
    ktree: 'paths are compared by component',
    async show() {
      await put('/foo', { dir: 'true' })
      const { index } = await remove('/foo')
      const woken = await etcd.watch('/foobar', false, index)
      expect(await woken.event).toMatchObject({ action: 'delete', node: { key: '/foo' } })

      const store = new Store()
      store.createDirectory('/foo')
      store.delete('/foo', { dir: true })
      expect(store.findEvent('/foobar', false, 1)).toBeUndefined()
      expect(store.findEvent('/foo/bar', false, 1)?.action).toBe('delete')
    },
  },
  {
    etcd: 'a directory’s update reports a modifiedIndex that the node does not keep',
    ktree: 'the node keeps it',
    async show() {
      const { index } = await put('/updated', { dir: 'true' })
      const update = await put('/updated', { dir: 'true', prevExist: 'true', ttl: '100' })
      expect(update.body).toMatchObject({ node: { modifiedIndex: update.index } })
      expect((await read('/updated')).body).toMatchObject({ node: { modifiedIndex: index } })

      const store = new Store()
      store.createDirectory('/updated')
      expect(store.update('/updated', '').node.modifiedIndex).toBe(2)
      expect(store.get('/updated').node.modifiedIndex).toBe(2)
    },
  },
  {
    etcd: 'TTLs in whole seconds',
    ktree: 'milliseconds, exact',
    async show() {
      const refused = await put('/half', { value: '1', ttl: '0.5' })
      expect(refused.body).toMatchObject({ errorCode: 202 })

      const clock = new ManualClock()
      const store = new Store({ clock })
      store.set('/half', '1', { expireTime: clock.now() + 500 })
      clock.advance(499)
      expect(store.get('/half').node.ttl).toBe(1)
      clock.advance(1)
      expect(() => store.get('/half')).toThrow('Key not found (/half)')
    },
  },
  {
    etcd: 'values are text',
    ktree: 'any bytes',
    async show() {
      // Encodes bytes by itself, because URLSearchParams takes only text.
      const body = 'value=%ff'
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      await fetch(`${server.url}/v2/keys/bytes`, { method: 'PUT', body, headers })
      expect((await read('/bytes')).body).toMatchObject({ node: { value: '\ufffd' } })

      const store = new Store()
      store.set('/bytes', '\xff')
      expect(store.get('/bytes').node.value).toBe('\xff')
    },
  },
  {
    etcd: 'a recursive watch from a past index sees events below hidden names',
    ktree: 'a watch from a past index sees the same as a live one',
    async show() {
      const { index } = await put('/behind/_hidden/x', { value: '1' })
      const past = await etcd.watch('/behind', true, index)
      expect(await past.event).toMatchObject({ node: { key: '/behind/_hidden/x' } })
      const live = await etcd.watch('/behind', true, undefined)
      await put('/behind/_hidden/x', { value: '2' })
      await put('/behind/x', { value: '3' })
      expect(await live.event).toMatchObject({ node: { value: '3' } })

      const store = new Store()
      store.set('/behind/_hidden/x', '1')
      const events = record(store, '/behind', { since: 1, recursive: true })
      store.set('/behind/_hidden/x', '2')
      store.set('/behind/x', '3')
      expect(events.map(({ node }) => node.value)).toEqual(['3'])
    },
  },
  {
    etcd: 'a live watcher below a removed directory is notified only if its own node existed',
    ktree: 'it is notified in any case, live and from a past index',
    async show() {
      await put('/gone/there', { value: '1' })
      const present = await etcd.watch('/gone/there', false, undefined)
      const missing = await etcd.watch('/gone/missing', false, undefined)
      const { index } = await remove('/gone')
      expect(await present.event).toMatchObject({ action: 'delete' })
      const past = await etcd.watch('/gone/missing', false, index)
      expect(await past.event).toMatchObject({ action: 'delete' })
      await put('/gone/missing', { value: '2' })
      expect(await missing.event).toMatchObject({ action: 'set' })

      const store = new Store()
      store.set('/gone/there', '1')
      const live = record(store, '/gone/missing')
      store.delete('/gone', { recursive: true })
      store.set('/gone/missing', '2')
      expect(actions(live)).toEqual(['delete', 'set'])
      expect(actions(record(store, '/gone/missing', { since: 1 }))).toEqual(['delete', 'set'])
    },
  },
  {
    etcd: 'a stream watch sees a deletion twice',
    ktree: 'once',
    async show() {
      await put('/twice', { value: '1' })
      const stream = await etcd.stream('/twice')
      await remove('/twice')
      await put('/twice', { value: '2' })
      expect(actions(await stream.until(3))).toEqual(['delete', 'delete', 'set'])
      stream.close()

      const store = new Store()
      store.set('/twice', '1')
      const events = record(store, '/twice')
      store.delete('/twice')
      store.set('/twice', '2')
      expect(actions(events)).toEqual(['delete', 'set'])
    },
  },
]

describeWithPeer('etcd', 'departures from etcd', () => {
  beforeAll(async () => {
    server = await startEtcd()
    etcd = new EtcdClient(server.url)
  })
  afterAll(async () => {
    etcd.close()
    await server.stop()
  })

  for (const departure of departures) {
    test(`etcd: ${departure.etcd}; ktree: ${departure.ktree}`, () => departure.show())
  }
})
