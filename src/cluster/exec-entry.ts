import type { RequestArguments } from '../resp/request-arguments.ts'

/**
 * An EXEC is an entry of several requests. The first is none of the client's: it tells an EXEC of one
 * request from that request alone, and what the EXEC depends on.
 */
export const PLAIN_EXEC: RequestArguments = ['MULTI']

/** @param index the store's, when the EXEC was taken */
export function watchedExec(index: number): RequestArguments {
  return ['WATCH', String(index)]
}

export function isExec([first]: readonly RequestArguments[]): boolean {
  return first[0] === 'MULTI' || first[0] === 'WATCH'
}

/** Whether an EXEC does nothing, because there was a change after it was taken. */
export function isOutdated([first]: readonly RequestArguments[], index: number): boolean {
  return first[0] === 'WATCH' && Number(first[1]) !== index
}
