import { ATTEMPT_MS, MAX_ATTEMPT_MS } from './patience.ts'

/** An endpoint that does not answer is waited for, this long in all, in milliseconds. */
const MAX_WAIT_MS = 3000
/** The endpoints are asked again after this time, in milliseconds. */
const PAUSE_MS = 200
/** That they disagree is told this often, in milliseconds. */
const TELL_MS = 5000

export interface Endpoints {
  readonly urls: readonly string[]
  /**
   * Asks an endpoint for its cluster.
   *
   * @param timeout in milliseconds
   * @returns undefined if it does not answer; 0 if it does not tell
   */
  ask(endpoint: number, timeout: number): Promise<number | undefined>
  /** Whether nobody waits any more. */
  isClosed(): boolean
  warn(what: string): void
}

/**
 * The cluster that most endpoints belong to, because one that has come back as a cluster of its own may answer first. Waits while
 * they disagree.
 *
 * @param known the cluster that the node has served before, if it knows: it decides where as many are for it as for another one
 * @returns its id; undefined if no endpoint tells, or nobody waits any more. With what they have answered
 */
export async function agreedCluster(
  endpoints: Endpoints,
  known: number | undefined,
): Promise<{ id: number | undefined; answers: Answers }> {
  const end = performance.now() + MAX_WAIT_MS
  let toldAt = Number.NEGATIVE_INFINITY
  for (let timeout = ATTEMPT_MS; ; timeout = Math.min(2 * timeout, MAX_ATTEMPT_MS)) {
    const answers = await answersOf(endpoints, timeout)
    if (endpoints.isClosed()) return { id: undefined, answers }
    const isLate = performance.now() >= end
    const choice = choose(answers, known, isLate)
    if (choice !== 'none') return { id: choice, answers }
    if (isLate && new Set(told(answers)).size > 1 && performance.now() - toldAt >= TELL_MS) {
      toldAt = performance.now()
      endpoints.warn(
        `etcd-endpoints are of different clusters of etcd, and no cluster has most of them: waiting until they agree (${groups(endpoints.urls, answers)})`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

/** What each endpoint has answered: see {@link Endpoints.ask}. */
export type Answers = readonly (number | undefined)[]

/** What the endpoints say; without those that are slower than what decides. */
function answersOf({ urls, ask }: Endpoints, timeout: number): Promise<Answers> {
  const answers: (number | undefined)[] = urls.map(() => undefined)
  let left = urls.length
  return new Promise((resolve) => {
    for (const [i] of urls.entries()) {
      void ask(i, timeout).then((answer) => {
        answers[i] = answer
        left--
        const [first] = ranked(answers)
        if (left === 0 || (first !== undefined && 2 * first.count > urls.length)) resolve(answers)
      })
    }
  })
}

/** @param isLate whether nobody else is waited for @returns `none` if they have to be asked again */
function choose(
  answers: Answers,
  known: number | undefined,
  isLate: boolean,
): number | 'none' | undefined {
  const ranking = ranked(answers)
  if (ranking.length === 0) return answers.includes(0) ? undefined : 'none'
  const [first, second] = ranking
  if (2 * first.count > answers.length) return first.id
  if (second === undefined) return isLate || first.id === known ? first.id : 'none'
  if (!isLate) return 'none'
  if (2 * first.count > told(answers).length) return first.id
  return ranking.find(({ id, count }) => id === known && count === first.count)?.id ?? 'none'
}

function told(answers: Answers): readonly number[] {
  return answers.filter((each) => each !== undefined && each !== 0) as number[]
}

/** How many say what, the most first. */
function ranked(answers: Answers): { readonly id: number; readonly count: number }[] {
  const ids = told(answers)
  return [...new Set(ids)]
    .map((id) => ({ id, count: ids.filter((each) => each === id).length }))
    .sort((a, b) => b.count - a.count)
}

/** The endpoints of each cluster. */
function groups(urls: readonly string[], answers: Answers): string {
  return ranked(answers)
    .map(({ id }) => urls.filter((_, i) => answers[i] === id).join(' and '))
    .join('; ')
}
