import type { Request } from '../request.ts'

export type Kind = 'ktree' | 'redis'

/** Where in a state requests point, without the slash in front. */
export interface Places {
  /** What the directory lies in. */
  readonly parent: string
  /** The largest. */
  readonly directory: string
  readonly file: string
  /** In the directory, but not there. */
  readonly missing: string
  /** Far below the directory. */
  readonly deep: string
}

export const PLACES: Places = {
  parent: 'top',
  directory: 'top/d',
  file: 'top/d/k5',
  missing: 'top/d/none',
  deep: 'top/d/a/b/c/d/e/f',
}

/** Clients that are there before the request. */
export interface Company {
  readonly count: number
  requests(i: number): readonly Request[]
  /** It does not get all replies before the request: it waits for something. */
  readonly waits?: boolean
  /** It reads nothing any more. */
  readonly mute?: boolean
}

/** What clients prepare before a request meets it. */
export interface State {
  readonly name: string
  readonly places: Places
  /** Redis has no such thing. */
  readonly ours?: boolean
  /** Some of what is sent before gets an error for its reply. */
  readonly mayFail?: boolean
  /** So many milliseconds after its beginning something happens, while the request comes. */
  readonly dueIn?: number
  /** What each client of the request sends first. */
  readonly prelude?: readonly Request[]
  /**
   * What is sent before.
   *
   * @param scale how much of it: 1, or half
   * @param due when something is to happen, in Unix milliseconds
   */
  before?(scale: number, kind: Kind, due: number): Iterable<Request>
  company?(scale: number, kind: Kind): readonly Company[]
}

/** The keys of a state, by MSET. */
export function* fill(
  count: number,
  key: (i: number) => string,
  value: string | Buffer = 'v',
  step = 10_000,
): Generator<Request> {
  for (let from = 0; from < count; from += step) {
    const request: (string | Buffer)[] = ['MSET']
    for (let i = from; i < Math.min(count, from + step); i++) request.push(key(i), value)
    yield request
  }
}

/** So many requests of equal form, each with as many arguments as are asked for. */
export function* inBatches(
  count: number,
  head: string,
  word: (i: number) => string,
  step = 1000,
): Generator<Request> {
  for (let from = 0; from < count; from += step) {
    const request = [head]
    for (let i = from; i < Math.min(count, from + step); i++) request.push(word(i))
    yield request
  }
}
