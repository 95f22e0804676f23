import { type Request, words } from '../request.ts'
import { fill, PLACES, type State } from './state.ts'

const child = (i: number): string => `${PLACES.directory}/k${i}`
const some = (): Iterable<Request> => fill(2000, child)
const login: readonly Request[] = [['AUTH', 'u1', 'p']]

/** States of users and logs, and of the client that sends the request itself. */
export const users: readonly State[] = [
  {
    name: '300 users of 50 selectors',
    places: PLACES,
    *before(scale) {
      yield* some()
      for (let i = 0; i < 300 * scale; i++) {
        yield ['ACL', 'SETUSER', `u${i}`, 'on', '>p', '~*', '&*', '+@all', ...words(50, selector)]
      }
    },
  },
  {
    name: 'a user of 1 000 key patterns',
    places: PLACES,
    prelude: login,
    *before(scale) {
      yield* fill(100_000, child)
      const patterns = words(1000 * scale, (i) => `~*z${i}*`)
      yield ['ACL', 'SETUSER', 'u1', 'on', '>p', '+@all', '&*', ...patterns, '~top*']
    },
  },
  {
    name: 'a user of 1 000 key patterns, none of which match',
    places: PLACES,
    mayFail: true,
    prelude: login,
    *before(scale) {
      yield* fill(100_000, child)
      const patterns = words(1000 * scale, (i) => `~*z${i}*`)
      yield ['ACL', 'SETUSER', 'u1', 'on', '>p', '+@all', '&*', ...patterns]
    },
  },
  {
    name: 'a user of 1 000 selectors and channels',
    places: PLACES,
    prelude: login,
    *before(scale) {
      yield* some()
      const selectors = words(1000 * scale, (i) => `(+@read ~*z${i}* &*c${i}*)`)
      yield ['ACL', 'SETUSER', 'u1', 'on', '>p', '+@all', ...selectors, '~top*', '&*c', '&/top*']
    },
  },
  {
    name: 'a SLOWLOG and an ACL LOG of 50 000',
    places: PLACES,
    mayFail: true,
    *before(scale) {
      yield ['CONFIG', 'SET', 'slowlog-max-len', '50000', 'slowlog-log-slower-than', '0']
      yield ['CONFIG', 'SET', 'acllog-max-len', '50000', 'latency-monitor-threshold', '1']
      yield* some()
      for (let i = 0; i < 50_000 * scale; i++) yield ['EXISTS', child(i), child(i + 1)]
      for (let i = 0; i < 50_000 * scale; i++) yield ['AUTH', `nobody${i}`, 'p']
    },
  },
  {
    name: 'a client that itself watches 20 000 channels',
    places: PLACES,
    prelude: [
      ['HELLO', '3'],
      ['SUBSCRIBE', ...words(20_000, (i) => `/top/d/x${i}`)],
    ],
    ours: true,
    before: some,
  },
  {
    name: 'a client that itself has 20 000 patterns of channels',
    places: PLACES,
    prelude: [
      ['HELLO', '3'],
      ['PSUBSCRIBE', ...words(20_000, (i) => `*p${i}`)],
    ],
    before: some,
  },
  {
    name: 'a client that itself WATCHes 100 000 keys',
    places: PLACES,
    prelude: [['WATCH', ...words(100_000, (i) => `top/d/w${i}`)]],
    before: some,
  },
]

function selector(i: number): string {
  return `(+@read ~z${i}*)`
}
