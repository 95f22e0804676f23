import { expect } from 'vitest'
import type { Clock } from '../../../src/store/clock.ts'
import type { Event } from '../../../src/store/event.ts'
import { isBelow, isHiddenBelow } from '../../../src/store/path.ts'
import { Store } from '../../../src/store/store.ts'
import { bytesToText, textToBytes } from '../../../src/store/text.ts'
import type { Watcher } from '../../../src/store/watcher-hub.ts'
import {
  type EtcdClient,
  type EtcdError,
  type EtcdEvent,
  type EtcdWatch,
  isError,
} from './etcd-client.ts'
import { NAMES } from './generated-operations.ts'
import {
  apply,
  conditionsOf,
  type Operation,
  toRequest,
  type WatchOperation,
} from './operations.ts'
import {
  etcdForm,
  type Span,
  storeErrorForm,
  storeForm,
  type WireNode,
  type WireReply,
} from './wire-form.ts'

const ETCD_EVENT_TIMEOUT_MS = 10_000

/** Counts of a run, for the line at its end. */
export interface Tally {
  operations: number
  failures: number
  events: number
  /** Watches that are not compared, because ktree departs from etcd on purpose. */
  departures: number
}

interface Watch {
  operation: WatchOperation
  path: string
  watcher: Watcher
  event: Event | undefined
  etcd: EtcdWatch
}

/** An empty store at etcd's index, so that replies need no translation. */
function storeAt(index: number, clock: Clock): Store {
  const store = new Store({ clock })
  const root = {
    Path: '/',
    CreatedIndex: 0,
    ModifiedIndex: 0,
    ExpireTime: '0001-01-01T00:00:00Z',
    Value: '',
    Children: {},
  }
  store.recovery(JSON.stringify({ Root: root, CurrentIndex: index, CurrentVersion: 2 }))
  return store
}

/** An etcd and a store that get the same operations and must give the same replies. */
export class Twins {
  readonly #etcd: EtcdClient
  readonly #tally: Tally
  readonly #clock: { time: number } & Clock
  readonly #store: Store
  readonly #base: number
  /** etcd's reply to each write, by the index that the write produced. */
  readonly #written = new Map<number, EtcdEvent>()
  /** The index of the last update of each directory that was updated. */
  readonly #updated = new Map<string, number>()
  #watches: Watch[] = []

  private constructor(etcd: EtcdClient, tally: Tally, index: number) {
    this.#etcd = etcd
    this.#tally = tally
    this.#base = index
    this.#clock = {
      time: Date.now(),
      now() {
        return this.time
      },
      schedule: () => () => {},
    }
    this.#store = storeAt(index, this.#clock)
  }

  /** Empties the etcd, and starts from there. */
  static async start(etcd: EtcdClient, tally: Tally): Promise<Twins> {
    const params = { recursive: 'true' }
    for (const name of NAMES) await etcd.send({ method: 'DELETE', path: `/${name}`, params })
    const { body } = await etcd.send({ method: 'GET', path: '/' })
    if (isError(body)) throw new Error(body.message)
    for (const { key } of body.node.nodes ?? []) {
      if (key !== undefined) await etcd.send({ method: 'DELETE', path: key, params })
    }
    const { index } = await etcd.send({ method: 'GET', path: '/' })
    return new Twins(etcd, tally, index)
  }

  /** Applies an operation to both sides, and compares the whole replies. */
  async step(operation: Operation): Promise<WireReply> {
    const conditions = conditionsOf(operation, this.#store)
    const ttl = 'ttl' in operation ? operation.ttl : undefined
    const start = Date.now()
    const reply = await this.#etcd.send(toRequest(operation, conditions))
    const span: Span = { start, end: Date.now() }
    this.#clock.time = start
    let expireTime: number | undefined
    if (ttl !== undefined) {
      // etcd turns the TTL into a time, which only its reply shows.
      expireTime = start + ttl * 1000
      if (!isError(reply.body)) {
        const expiration = Date.parse(reply.body.node.expiration ?? '')
        expect(expiration).toBeGreaterThanOrEqual(expireTime)
        expect(expiration).toBeLessThanOrEqual(span.end + ttl * 1000)
        expireTime = expiration
        this.#clock.time = expiration - ttl * 1000
      }
    }
    const sorted = operation.kind === 'get' && operation.sorted
    const lonely = this.#watchesOfMissingNodes(operation)
    let ours: WireReply
    try {
      const event = apply(this.#store, operation, conditions, expireTime)
      ours = storeForm(event, sorted, span)
      this.#departFromUpdates(ours.node, ours.action)
      if (ours.prevNode) this.#departFromUpdates(ours.prevNode, 'get')
      if (event.action === 'update' && event.node.dir) {
        this.#updated.set(`${ours.node.key} ${ours.node.createdIndex}`, event.index)
      }
    } catch (error) {
      ours = storeErrorForm(error)
      this.#tally.failures++
    }
    expect(ours).toEqual(etcdForm(reply, sorted, span))
    expect(this.#store.index).toBe(reply.index)
    if (!isError(reply.body) && operation.kind !== 'get') this.#written.set(reply.index, reply.body)
    await this.#settle(lonely)
    return ours
  }

  /** Watches on both sides for one event, from now on or from an index on. */
  async watch(operation: WatchOperation): Promise<void> {
    const { recursive, back } = operation
    const path = textToBytes(operation.path)
    const since =
      back === undefined ? undefined : Math.max(this.#base + 1, this.#store.index + 1 - back)
    const etcd = await this.#etcd.watch(operation.path, recursive, since)
    expect(etcd.index).toBe(this.#store.index)
    const listener = (event: Event): void => {
      watch.event = event
    }
    const watch: Watch = { operation, path, etcd, event: undefined } as never
    watch.watcher = this.#store.watch(path, { recursive, since }, listener)
    watch.path = watch.watcher.path
    if (since !== undefined && recursive && this.#replaysHidden(watch, since)) {
      this.#leaveOut(watch)
      return
    }
    this.#watches.push(watch)
    await this.#settle(new Set())
  }

  /** Causes an event for every watch that has not had one yet, so that a wrong watch shows. */
  async finish(): Promise<void> {
    for (const watch of this.#watches) {
      const { path } = watch
      if (path === '/') {
        if (watch.operation.recursive) await this.step(this.#writeTo('/end'))
        continue
      }
      let reply = await this.step({ kind: 'update', path: bytesToText(path), value: '' })
      if (!('errorCode' in reply)) continue
      if (reply.errorCode === 104) {
        const file = reply.cause ?? ''
        await this.step({ kind: 'delete', path: file, dir: false, recursive: false })
      }
      reply = await this.step(this.#writeTo(bytesToText(path)))
      expect(reply).toHaveProperty('action', 'set')
    }
    this.close()
  }

  close(): void {
    for (const watch of this.#watches) {
      watch.etcd.close()
      watch.watcher.remove()
    }
    this.#watches = []
  }

  #writeTo(path: string): Operation {
    return { kind: 'set', path, value: 'end' }
  }

  /** Checks that each watch with an event in the store gets the same event in etcd. */
  async #settle(lonely: ReadonlySet<Watch>): Promise<void> {
    const settled = this.#watches.filter(({ event }) => event !== undefined)
    if (settled.length === 0) return
    this.#watches = this.#watches.filter(({ event }) => event === undefined)
    for (const watch of settled) {
      const index = watch.event?.index ?? 0
      if (lonely.has(watch) && watch.event?.node.key !== watch.path) {
        this.#leaveOut(watch)
        continue
      }
      const timeout = new Promise<EtcdError>((resolve) => {
        const body = { errorCode: 0, message: 'no event came from etcd', index }
        const timer = setTimeout(() => resolve(body), ETCD_EVENT_TIMEOUT_MS)
        watch.etcd.event.finally(() => clearTimeout(timer)).catch(() => {})
      })
      expect(await Promise.race([watch.etcd.event, timeout])).toEqual(this.#written.get(index))
      this.#tally.events++
    }
  }

  #leaveOut(watch: Watch): void {
    watch.etcd.close()
    watch.watcher.remove()
    this.#tally.departures++
  }

  /** Departure: etcd's replay, unlike its live watchers, shows events below hidden names. */
  #replaysHidden(watch: Watch, since: number): boolean {
    const end = watch.event?.index ?? this.#store.index
    for (const { node, index, refresh } of this.#store.history) {
      if (index < since || index > end || refresh) continue
      if (isBelow(node.key, watch.path) && isHiddenBelow(node.key, watch.path)) return true
    }
    return false
  }

  /** Departure: when a directory is removed, etcd notifies only watchers of nodes that existed. */
  #watchesOfMissingNodes(operation: Operation): Set<Watch> {
    if (operation.kind !== 'delete') return new Set()
    return new Set(
      this.#watches.filter(({ path }) => {
        try {
          this.#store.get(path)
          return false
        } catch {
          return true
        }
      }),
    )
  }

  /** Departure: etcd's directories do not keep the index of an update. */
  #departFromUpdates(node: WireNode, action: string): void {
    const { key, createdIndex } = node
    const updated = this.#updated.get(`${key} ${createdIndex}`)
    if (node.dir && action === 'get' && node.modifiedIndex === updated) {
      node.modifiedIndex = createdIndex
    }
    for (const child of node.nodes) this.#departFromUpdates(child, action)
  }
}
