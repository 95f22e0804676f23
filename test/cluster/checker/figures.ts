import { appendFileSync } from 'node:fs'

/** Whether the trials are those of `make torture`, and not the small ones of `make test`. */
export const isLarge = process.env.KTREE_CLUSTER_LARGE !== undefined

/** Notes what a trial has measured, for `make torture`. */
export function note(what: string, measured: string): void {
  const path = process.env.KTREE_FIGURES
  if (path !== undefined) appendFileSync(path, `| ${what} | ${measured} |\n`)
}

export const seconds = (since: number): string =>
  `${((performance.now() - since) / 1000).toFixed(1)} s`

export const thousands = (n: number): string => n.toLocaleString('en').replaceAll(',', ' ')
