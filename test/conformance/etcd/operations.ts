import type { Event } from '../../../src/store/event.ts'
import type { Conditions, Store, WriteOptions } from '../../../src/store/store.ts'
import { textToBytes } from '../../../src/store/text.ts'
import type { EtcdRequest } from './etcd-client.ts'

/** An index that is known only when the operation runs. */
export type IndexChoice = 'of the node' | 'of the store' | 'one'

export interface Lease {
  /** Seconds. */
  ttl?: number | undefined
  refresh?: boolean | undefined
}

export interface Choice {
  prevValue?: string | undefined
  prevIndex?: IndexChoice | undefined
}

/** An operation for both etcd, over HTTP, and a store. */
export type Operation =
  | { kind: 'get'; path: string; recursive: boolean; sorted: boolean }
  | ({ kind: 'set' | 'update'; path: string; value: string } & Lease)
  | ({ kind: 'setDirectory'; path: string } & Lease)
  | { kind: 'create' | 'unique'; path: string; value: string; ttl?: number | undefined }
  | { kind: 'createDirectory' | 'uniqueDirectory'; path: string; ttl?: number | undefined }
  | ({ kind: 'compareAndSwap'; path: string; value: string } & Lease & Choice)
  | ({ kind: 'compareAndDelete'; path: string } & Choice)
  | { kind: 'delete'; path: string; dir: boolean; recursive: boolean }

export interface WatchOperation {
  kind: 'watch'
  path: string
  recursive: boolean
  /** How far before the store's next index the watch begins; negative: after it; absent: now. */
  back: number | undefined
}

/** The conditions of a compare operation, with its index looked up in the store. */
export function conditionsOf(operation: Choice & { path: string }, store: Store): Conditions {
  const { prevValue, prevIndex } = operation
  const index = prevIndex === undefined ? undefined : indexFor(prevIndex, operation.path, store)
  return {
    prevValue: prevValue === undefined ? undefined : textToBytes(prevValue),
    prevIndex: index,
  }
}

function indexFor(choice: IndexChoice, path: string, store: Store): number {
  if (choice === 'one') return 1
  if (choice === 'of the store') return store.index
  try {
    return store.get(textToBytes(path)).node.modifiedIndex || 1
  } catch {
    return 1
  }
}

/** The operation as a request to etcd. */
export function toRequest(operation: Operation, conditions: Conditions): EtcdRequest {
  const { path } = operation
  const params: Record<string, string> = {}
  if ('value' in operation) params.value = operation.value
  if ('ttl' in operation && operation.ttl !== undefined) params.ttl = String(operation.ttl)
  if ('refresh' in operation && operation.refresh) params.refresh = 'true'
  if ('prevValue' in operation && operation.prevValue !== undefined) {
    params.prevValue = operation.prevValue
  }
  if (conditions.prevIndex !== undefined) params.prevIndex = String(conditions.prevIndex)
  switch (operation.kind) {
    case 'get':
      params.recursive = String(operation.recursive)
      params.sorted = String(operation.sorted)
      return { method: 'GET', path, params }
    case 'update':
      return { method: 'PUT', path, params: { ...params, prevExist: 'true' } }
    case 'create':
      return { method: 'PUT', path, params: { ...params, prevExist: 'false' } }
    case 'createDirectory':
      return { method: 'PUT', path, params: { ...params, prevExist: 'false', dir: 'true' } }
    case 'setDirectory':
      return { method: 'PUT', path, params: { ...params, dir: 'true' } }
    case 'unique':
      return { method: 'POST', path, params }
    case 'uniqueDirectory':
      return { method: 'POST', path, params: { ...params, dir: 'true' } }
    case 'compareAndDelete':
      return { method: 'DELETE', path, params }
    case 'delete':
      params.dir = String(operation.dir)
      params.recursive = String(operation.recursive)
      return { method: 'DELETE', path, params }
    default:
      return { method: 'PUT', path, params }
  }
}

/** Applies the operation to a store. @param expireTime Unix milliseconds */
export function apply(
  store: Store,
  operation: Operation,
  conditions: Conditions,
  expireTime: number | undefined,
): Event {
  const path = textToBytes(operation.path)
  const value = 'value' in operation ? textToBytes(operation.value) : ''
  const refresh = 'refresh' in operation ? operation.refresh : undefined
  const options: WriteOptions = { expireTime, refresh }
  switch (operation.kind) {
    case 'get':
      return store.get(path, operation)
    case 'set':
      return store.set(path, value, options)
    case 'setDirectory':
      return store.setDirectory(path, options)
    case 'update':
      return store.update(path, value, options)
    case 'create':
      return store.create(path, value, options)
    case 'createDirectory':
      return store.createDirectory(path, options)
    case 'unique':
      return store.create(path, value, { ...options, unique: true })
    case 'uniqueDirectory':
      return store.createDirectory(path, { ...options, unique: true })
    case 'compareAndSwap':
      return store.compareAndSwap(path, conditions, value, options)
    case 'compareAndDelete':
      return store.compareAndDelete(path, conditions)
    case 'delete':
      return store.delete(path, operation)
  }
}
