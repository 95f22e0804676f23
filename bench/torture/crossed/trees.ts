import { type Request, repeated } from '../request.ts'
import { MB } from '../scenes/scene.ts'
import { fill, type Kind, PLACES, type State } from './state.ts'

const child = (i: number): string => `${PLACES.directory}/k${i}`
/** What requests expect to find in every state. */
const few = (): Iterable<Request> => fill(10, child)

const LEVELS = 1000
const DEEP = '/d'.repeat(LEVELS - 4)
/** Just below the longest path. */
const LONG_NAME = 'n'.repeat(15_000)
const spread = (i: number): string => `${PLACES.directory}/${i % 1000}/${i}`

function* history(scale: number, kind: Kind, size: string): Generator<Request> {
  if (kind === 'redis') return
  yield ['CONFIG', 'SET', 'watch-history', '10000000']
  yield ['CONFIG', 'SET', 'watch-history-memory', `${Math.round(Number(size) * scale)}mb`]
}

/** States of the tree alone. */
export const trees: readonly State[] = [
  { name: 'nothing', places: PLACES, before: few },
  {
    name: '300 000 keys in one directory',
    places: PLACES,
    before: (scale) => fill(300_000 * scale, child),
  },
  {
    name: '300 000 keys in 1 000 directories',
    places: { ...PLACES, file: `${PLACES.directory}/5/5`, deep: `${PLACES.directory}/7/x/y/z` },
    before: (scale) => fill(300_000 * scale, spread),
  },
  {
    name: '200 directories of 1 000 levels',
    places: {
      ...PLACES,
      file: `${PLACES.directory}/5${DEEP}/k`,
      deep: `${PLACES.directory}/7${DEEP}`,
    },
    before: (scale) => fill(200 * scale, (i) => `${PLACES.directory}/${i}${DEEP}/k`, 'v', 20),
  },
  {
    name: '4 000 names of 15 KB',
    places: { ...PLACES, file: `${PLACES.directory}/${LONG_NAME}5` },
    before: (scale) => fill(4000 * scale, (i) => `${PLACES.directory}/${LONG_NAME}${i}`, 'v', 100),
  },
  {
    name: 'a directory with a name of 15 KB, and 4 000 keys',
    places: {
      parent: 'top',
      directory: `top/${LONG_NAME}`,
      file: `top/${LONG_NAME}/5`,
      missing: `top/${LONG_NAME}/none`,
      deep: `top/${LONG_NAME}/a/b/c`,
    },
    before: (scale) => fill(4000 * scale, (i) => `top/${LONG_NAME}/${i}`, 'v', 100),
  },
  {
    name: '100 000 keys that are due as the request comes',
    places: PLACES,
    dueIn: 4500,
    *before(scale, _, due) {
      yield* few()
      for (let i = 10; i < 100_000 * scale; i++) yield ['SET', child(i), 'v', 'PXAT', String(due)]
    },
  },
  {
    name: '200 000 keys with a TTL',
    places: PLACES,
    *before(scale) {
      for (let i = 0; i < 200_000 * scale; i++) {
        yield ['SET', child(i), 'v', 'EX', String(10_000 + (i % 997))]
      }
    },
  },
  {
    name: '300 000 keys in a hidden directory',
    places: { ...PLACES, file: `${PLACES.directory}/_h/k5`, deep: `${PLACES.directory}/_h` },
    before: (scale) => fill(300_000 * scale, (i) => `${PLACES.directory}/_h/k${i}`),
  },
  {
    name: '100 000 empty directories',
    places: { ...PLACES, file: 'top/d/k5' },
    ours: true,
    *before(scale) {
      yield* few()
      for (let i = 10; i < 100_000 * scale; i++) yield ['KMKDIR', `/${child(i)}`]
    },
  },
  {
    name: 'a history of 600 000 events',
    places: { ...PLACES, file: `${PLACES.directory}/5/5`, deep: `${PLACES.directory}/7/x/y/z` },
    *before(scale, kind) {
      yield* history(scale, kind, '256')
      yield* fill(600_000 * scale, spread)
    },
  },
  {
    name: 'a history of events of deep paths',
    places: {
      ...PLACES,
      file: `${PLACES.directory}/5${'/d'.repeat(60)}/k`,
      deep: `${PLACES.directory}/7${'/d'.repeat(60)}`,
    },
    *before(scale, kind) {
      yield* history(scale, kind, '256')
      const key = (i: number): string => `${PLACES.directory}/${i % 2000}${'/d'.repeat(60)}/k`
      yield* fill(200_000 * scale, key, 'v', 500)
    },
  },
  {
    name: 'a history of 250 events of 1 MB',
    places: PLACES,
    *before(scale, kind) {
      yield* few()
      yield* history(scale, kind, '300')
      for (let i = 0; i < 250 * scale; i++) {
        yield ['SET', child(i % 10), Buffer.alloc(MB, `\x01${i}`, 'latin1')]
      }
    },
  },
  {
    name: 'four values of 60 MB',
    places: PLACES,
    *before(scale) {
      yield* few()
      for (let i = 5; i < 9; i++) yield ['SET', child(i), repeated('\x01', 60 * MB * scale)]
    },
  },
  {
    name: '2 000 values of 60 KB',
    places: PLACES,
    before: (scale) => fill(2000 * scale, child, repeated('\x01', 60_000), 100),
  },
]
