import fc from 'fast-check'
import type { Choice, IndexChoice, Lease, Operation, WatchOperation } from './operations.ts'

/** The components of paths. None begins another, because of a departure (departures.test.ts). */
export const NAMES = ['a', 'b', '_h', 'é']

// The weights make operations meet at the same paths, so that about half of them succeed.
const values = fc.constantFrom('', '1', '1', '1', '2', 'é €')
const ttls = fc.constantFrom(undefined, undefined, 100, 5000)
const names = fc.constantFrom('a', 'a', 'a', ...NAMES)

/** Paths at which many operations meet, mostly files. */
const favourites = fc.constantFrom(['b'], ['b'], ['a', 'b'], ['a', 'é'])
const plainPaths = fc.oneof(
  { weight: 7, arbitrary: favourites },
  { weight: 4, arbitrary: fc.array(names, { minLength: 1, maxLength: 1 }) },
  { weight: 4, arbitrary: fc.array(names, { minLength: 2, maxLength: 2 }) },
  { weight: 2, arbitrary: fc.array(names, { minLength: 3, maxLength: 4 }) },
  { weight: 1, arbitrary: fc.constant([]) },
)
/** Separators between two components; `b/..` cancels itself. */
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
  // A refresh needs a TTL, otherwise etcd's HTTP layer refuses it.
  { weight: 1, arbitrary: fc.constant<Lease>({ ttl: 200, refresh: true }) },
)
const withValue = { path: paths, value: values }
const prevValues = fc.constantFrom('1', '1', '2', 'é €')
const prevIndexes = fc.constantFrom<IndexChoice>(
  'of the node',
  'of the node',
  'of the store',
  'one',
)
const choices: fc.Arbitrary<Choice> = fc.oneof(
  fc.record({ prevValue: prevValues }),
  fc.record({ prevIndex: prevIndexes }),
  fc.record({ prevValue: prevValues, prevIndex: prevIndexes }),
)

/** Empties the value of a refresh. */
function writes<T extends Lease & { value: string }>(operation: T): T {
  return operation.refresh ? { ...operation, value: '' } : operation
}

const reads: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constant('get' as const),
  path: paths,
  recursive: fc.boolean(),
  sorted: fc.boolean(),
})

const makers: fc.Arbitrary<Operation> = fc.oneof(
  fc
    .tuple(fc.record({ kind: fc.constant('set' as const), ...withValue }), leases)
    .map(([write, lease]) => writes({ ...write, ...lease })),
  fc
    .tuple(fc.record({ kind: fc.constant('setDirectory' as const), path: paths }), leases)
    .map(([write, lease]) => ({ ...write, ...lease })),
  fc.record({ kind: fc.constantFrom('create', 'create', 'unique'), ...withValue, ttl: ttls }),
  fc.record({
    kind: fc.constantFrom('createDirectory', 'uniqueDirectory'),
    path: paths,
    ttl: ttls,
  }),
)

const changers: fc.Arbitrary<Operation> = fc.oneof(
  fc
    .tuple(fc.record({ kind: fc.constant('update' as const), ...withValue }), leases)
    .map(([write, lease]) => writes({ ...write, ...lease })),
  fc
    .tuple(
      fc.record({ kind: fc.constant('compareAndSwap' as const), ...withValue }),
      leases,
      choices,
    )
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

export const operations: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 1, arbitrary: reads },
  { weight: 5, arbitrary: makers },
  { weight: 3, arbitrary: changers },
)

export const watches: fc.Arbitrary<WatchOperation> = fc.record({
  kind: fc.constant('watch' as const),
  path: paths,
  recursive: fc.boolean(),
  back: fc.option(fc.integer({ min: -3, max: 12 }), { nil: undefined }),
})
