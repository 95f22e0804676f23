import { type Request, repeated, words } from '../request.ts'
import { fill, inBatches, type Kind, PLACES, type State } from './state.ts'

const child = (i: number): string => `${PLACES.directory}/k${i}`
const some = (): Iterable<Request> => fill(2000, child)

/** What tells a client of changes of keys: patterns of the tree, or keyspace notifications. */
const told = (kind: Kind, pattern: string): string =>
  kind === 'ktree' ? `/${pattern}` : `__keyspace@0__:${pattern}`

function* notifying(kind: Kind): Generator<Request> {
  if (kind === 'redis') yield ['CONFIG', 'SET', 'notify-keyspace-events', 'KEA']
  yield* some()
}

const unlimited: Request = ['CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 0 0 0']

/** States of other clients: who listens, waits and watches. */
export const company: readonly State[] = [
  {
    name: '50 000 tree patterns at many directories',
    places: PLACES,
    before: (_, kind) => notifying(kind),
    company: (scale, kind) => [
      {
        count: 1,
        requests: () => [
          ...inBatches(50_000 * scale, 'PSUBSCRIBE', (i) => told(kind, `top/d${i}/*`)),
        ],
      },
    ],
  },
  {
    name: '10 000 tree patterns at one directory',
    places: PLACES,
    before: (_, kind) => notifying(kind),
    company: (scale, kind) => [
      {
        count: 1,
        requests: () => [
          ...inBatches(10_000 * scale, 'PSUBSCRIBE', (i) => told(kind, `top/d/*z${i}`)),
        ],
      },
    ],
  },
  {
    name: '50 000 tree patterns below one directory',
    places: PLACES,
    before: (_, kind) => notifying(kind),
    company: (scale, kind) => [
      {
        count: 1,
        requests: () => [
          ...inBatches(50_000 * scale, 'PSUBSCRIBE', (i) => told(kind, `top/d/x${i}/*`)),
        ],
      },
    ],
  },
  {
    name: '20 000 channels of the tree',
    places: PLACES,
    before: (_, kind) => notifying(kind),
    company: (scale, kind) => [
      {
        count: 1,
        requests: () => [
          ...inBatches(20_000 * scale, kind === 'ktree' ? 'SUBSCRIBE' : 'PSUBSCRIBE', (i) =>
            told(kind, kind === 'ktree' ? `top/d/x${i}?recursive=true` : `top/d/x${i}/*`),
          ),
        ],
      },
    ],
  },
  {
    name: '2 000 spellings of a channel of the tree, at a missing name',
    places: PLACES,
    before: (_, kind) => notifying(kind),
    company: (scale, kind) => [
      {
        count: 1,
        requests: () => [
          ...inBatches(2000 * scale, kind === 'ktree' ? 'SUBSCRIBE' : 'PSUBSCRIBE', (i) =>
            kind === 'ktree'
              ? `${'/'.repeat(i % 100)}/top/d/none${'/'.repeat(i / 100)}?recursive=true`
              : `__keyspace@0__:top/d/${'*'.repeat(i % 100)}none${'*'.repeat(i / 100)}`,
          ),
        ],
      },
    ],
  },
  {
    name: '50 000 plain channels and 10 000 patterns',
    places: PLACES,
    before: some,
    company: (scale) => [
      {
        count: 1,
        requests: () => [
          ...inBatches(50_000 * scale, 'SUBSCRIBE', (i) => `c${i}`),
          ...inBatches(10_000 * scale, 'PSUBSCRIBE', (i) => `*p${i}`),
        ],
      },
    ],
  },
  {
    name: '16 000 KWATCHes, 2 000 KWAITs and 1 000 KSYNCs',
    places: PLACES,
    before: (_, kind) => notifying(kind),
    company: (scale, kind) => [
      {
        count: 1,
        requests: () => [
          ...inBatches(16_000 * scale, kind === 'ktree' ? 'KWATCH' : 'PSUBSCRIBE', (i) =>
            told(kind, `top/d/none${i}`),
          ),
        ],
      },
      {
        count: 2000 * scale,
        waits: true,
        requests: (i) => [
          kind === 'ktree'
            ? ['KWAIT', `/top/d/none/${i % 50}`, 'RECURSIVE', 'SINCE', '9000000000000']
            : ['BLPOP', `top/d/none/${i % 50}`, '0'],
        ],
      },
      {
        count: 1000 * scale,
        waits: true,
        requests: () => [
          kind === 'ktree' ? ['KSYNC', 'INDEX', '9000000000000'] : ['BLPOP', 'sync', '0'],
        ],
      },
    ],
  },
  {
    name: '20 000 WATCHed keys of 40 transactions',
    places: PLACES,
    before: some,
    company: (scale) => [
      {
        count: 40,
        requests: (i) => [
          ['WATCH', ...words(500 * scale, (j) => `top/d/none${i}-${j}/x`), 'top/d', 'top'],
        ],
      },
    ],
  },
  {
    name: '2 000 clients that WATCH one key and its directory',
    places: PLACES,
    before: some,
    company: (scale) => [
      { count: 2000 * scale, requests: () => [['WATCH', 'top/d', 'top/d/none', 'top/d/k5']] },
    ],
  },
  {
    name: '3 000 clients with names',
    places: PLACES,
    before: some,
    company: (scale) => [
      { count: 3000 * scale, requests: (i) => [['CLIENT', 'SETNAME', `client-${i}`]] },
    ],
  },
  {
    name: '1 000 subscribed clients',
    places: PLACES,
    before: (_, kind) => notifying(kind),
    company: (scale, kind) => [
      {
        count: 1000 * scale,
        requests: () => [
          ['PSUBSCRIBE', 'c*', kind === 'ktree' ? '/top/d/none*' : '__keyspace@0__:top/d/none*'],
        ],
      },
    ],
  },
  {
    name: 'notify-keyspace-events KEA, and who listens',
    places: PLACES,
    *before() {
      yield ['CONFIG', 'SET', 'notify-keyspace-events', 'KEAnm']
      yield unlimited
      yield* fill(50_000, child)
    },
    company: () => [{ count: 1, requests: () => [['PSUBSCRIBE', '__key*']] }],
  },
  {
    name: '20 MONITORs',
    places: PLACES,
    before: some,
    company: (scale) => [{ count: 20 * scale, waits: true, requests: () => [['MONITOR']] }],
  },
  {
    name: 'clients that do not read',
    places: PLACES,
    *before() {
      yield* fill(20_000, child)
      yield ['SET', 'top/large', repeated('\x01', 1_000_000)]
    },
    company: (scale, kind) => [
      {
        count: 10 * scale,
        mute: true,
        waits: true,
        requests: () => [
          ...Array.from({ length: 20 }, () => ['GET', 'top/large']),
          ...(kind === 'ktree' ? [['KGET', '/', 'RECURSIVE']] : [['KEYS', '*']]),
        ],
      },
      {
        count: 1,
        mute: true,
        requests: () => [
          kind === 'ktree' ? ['SUBSCRIBE', '/?recursive=true'] : ['PSUBSCRIBE', '__keyspace@0__:*'],
        ],
      },
    ],
  },
]
