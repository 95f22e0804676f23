import fc from 'fast-check'
import type { Event } from '../../../src/store/event.ts'
import type { Conditions, Store, WriteOptions } from '../../../src/store/store.ts'
import { textToBytes } from '../../../src/store/text.ts'
import type { EtcdRequest } from './etcd-client.ts'

/** An index that is known only when the operation's turn comes. */
export type IndexChoice = 'of the node' | 'of the store' | 'one'

interface Lease {
  /** Seconds. */
  ttl?: number | undefined
  refresh?: boolean | undefined
}

interface Choice {
  prevValue?: string | undefined
  prevIndex?: IndexChoice | undefined
}

/** What can be asked of etcd over HTTP and of a store in the same words. */
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
  /** How far back from the store's next index the watch begins, or ahead; absent means now. */
  back: number | undefined
}

/** The components that paths are made of; none begins another, see the departures. */
export const NAMES = ['a', 'b', '_h', 'é']

const values = fc.constantFrom('', '1', '2', 'é €')
const ttls = fc.constantFrom(undefined, undefined, 100, 5000)
const names = fc.constantFrom(...NAMES)

const plainPaths = fc.oneof(
  { weight: 8, arbitrary: fc.array(names, { minLength: 1, maxLength: 3 }) },
  { weight: 1, arbitrary: fc.constant([]) },
)
/** What may stand between two components; `b/..` takes itself back. */
const separators = fc.constantFrom('/', '//', '/./', '/b/../', '///')
const oddPaths = fc
  .array(fc.tuple(separators, names), { minLength: 1, maxLength: 3 })
  .chain((parts) =>
    fc
      .constantFrom('', '/', '/.', '/a/..')
      .map((end) => parts.map(([separator, name]) => separator + name).join('') + end),
  )
const paths = fc.oneof(
  { weight: 12, arbitrary: plainPaths.map((parts) => `/${parts.join('/')}`) },
  { weight: 1, arbitrary: oddPaths },
)

const leases = fc.oneof(
  { weight: 3, arbitrary: ttls.map((ttl): Lease => ({ ttl })) },
  // A refresh has to come with a TTL, or etcd's HTTP layer refuses it.
  { weight: 1, arbitrary: fc.constant<Lease>({ ttl: 200, refresh: true }) },
)
const withValue = { path: paths, value: values }
const prevValues = fc.constantFrom('1', '2', 'é €')
const prevIndexes = fc.constantFrom<IndexChoice>('of the node', 'of the node', 'of the store', 'one')
const choices: fc.Arbitrary<Choice> = fc.oneof(
  fc.record({ prevValue: prevValues }),
  fc.record({ prevIndex: prevIndexes }),
  fc.record({ prevValue: prevValues, prevIndex: prevIndexes }),
)

/** A refresh takes no value. */
function writes<T extends Lease & { value: string }>(operation: T): T {
  return operation.refresh ? { ...operation, value: '' } : operation
}

export const operations: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    kind: fc.constant('get' as const),
    path: paths,
    recursive: fc.boolean(),
    sorted: fc.boolean(),
  }),
  fc
    .tuple(fc.record({ kind: fc.constantFrom('set', 'set', 'update'), ...withValue }), leases)
    .map(([write, lease]) => writes({ ...write, ...lease })),
  fc
    .tuple(fc.record({ kind: fc.constant('setDirectory' as const), path: paths }), leases)
    .map(([write, lease]) => ({ ...write, ...lease })),
  fc.record({ kind: fc.constantFrom('create', 'unique'), ...withValue, ttl: ttls }),
  fc.record({
    kind: fc.constantFrom('createDirectory', 'uniqueDirectory'),
    path: paths,
    ttl: ttls,
  }),
  fc
    .tuple(fc.record({ kind: fc.constant('compareAndSwap' as const), ...withValue }), leases, choices)
    .map(([write, lease, choice]) => writes({ ...write, ...lease, ...choice })),
  fc
    .tuple(fc.record({ kind: fc.constant('compareAndDelete' as const), path: paths }), choices)
    .map(([write, choice]) => ({ ...write, ...choice })),
  fc.record({
    kind: fc.constant('delete' as const),
    path: paths,
    dir: fc.boolean(),
    recursive: fc.boolean(),
  }),
)

export const watches: fc.Arbitrary<WatchOperation> = fc.record({
  kind: fc.constant('watch' as const),
  path: paths,
  recursive: fc.boolean(),
  back: fc.option(fc.integer({ min: -3, max: 12 }), { nil: undefined }),
})

/** The conditions of a compare operation, its index looked up in the store as it is now. */
export function conditionsOf(operation: Choice & { path: string }, store: Store): Conditions {
  const { prevValue, prevIndex } = operation
  const index = prevIndex === undefined ? undefined : indexFor(prevIndex, operation.path, store)
  return { prevValue: prevValue === undefined ? undefined : textToBytes(prevValue), prevIndex: index }
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

/** The operation, carried out. @param expireTime Unix milliseconds */
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
