import type { Case } from '../attack.ts'
import { type Request, repeated, type Word, words } from '../request.ts'

export const MB = 1024 ** 2
export const DEEP = '/d'.repeat(1000)

export function* many(count: number, request: (i: number) => Request): Generator<Request> {
  for (let i = 0; i < count; i++) yield request(i)
}

/** So many keys, by MSET. */
export function* keys(
  count: number,
  key: (i: number) => string,
  value: Word = 'v',
): Generator<Request> {
  // One request may make so many directories.
  const step = key === deep ? 50 : 10_000
  for (let i = 0; i < count; i += step) {
    const some = Math.min(step, count - i)
    yield ['MSET', ...words(some, (j) => key(i + j)).flatMap((name) => [name, value])]
  }
}

export const plain = (i: number): string => `key:${i}`
export const deep = (i: number): string => `/${i}${DEEP}`

/** A value of 60 MB at `big`. */
export const big = (text = '\x01', length = 60 * MB): Request[] => [
  ['SET', 'big', repeated(text, length)],
]

type Send = () => Iterable<Request>
export const scene = (
  command: string,
  what: string,
  requests: Send,
  prepare?: Send,
  more: Partial<Case> = {},
): Case => ({ command, what, requests, ...(prepare && { prepare }), ...more })

export const OURS = { ours: true } as const

/** A watcher of all, whose client has read nothing of what came before. */
export const onlooker = (request: () => Request): Partial<Case> => ({
  onlookers: () => [request()],
})
