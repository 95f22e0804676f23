import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { treeOf } from './data-directory.ts'
import { PersistenceError } from './errors.ts'
import { hasMarker } from './marker.ts'
import { isThere } from './tree-files.ts'

/** What an import or a repair has made, and moves to the tree's place in the end. */
const MADE = ['tree.importing', 'tree.repaired']
/** A tree that a start has kept while it opened it. */
const KEPT = /^tree\.before-start-\d+$/
/** Trees that were moved aside. */
const ASIDE = /^tree\.(replaced|damaged)-/

/**
 * Checks that a directory without a tree never had one, or had it removed by its user: an import or repair that was killed between
 * its two renames leaves none. The caller has the lock of the directory.
 *
 * @throws PersistenceError that says what to do
 */
export function assertFinished(directory: string): void {
  const tree = treeOf(directory)
  if (isThere(tree)) return
  const names = namesIn(directory)
  const made = MADE.find((name) => names.includes(name))
  const kept = names.find((name) => KEPT.test(name))
  const rest = (made ?? kept) && join(resolve(directory), made ?? kept ?? '')
  if (rest === undefined) return
  const aside = asideIn(directory).at(-1)
  const ways = []
  if (kept !== undefined || hasMarker(rest)) ways.push(`To finish it: mv ${rest} ${tree}`)
  else ways.push(`It is not whole: remove it to begin anew`)
  if (aside !== undefined) ways.push(`To take the former tree again: mv ${aside} ${tree}`)
  const what = kept === undefined ? 'an import or a repair' : 'a start'
  throw new PersistenceError(
    `${resolve(directory)} holds no tree, but ${rest}, because ${what} was interrupted. Nothing has been changed. ${ways.join('. ')}`,
  )
}

/**
 * Says before anything is locked that there is no tree, unless an interrupted run has left something to tell of.
 *
 * @throws PersistenceError if nothing is in the place of a directory's tree
 */
export function assertTree(directory: string): void {
  if (existsSync(treeOf(directory))) return
  if (!namesIn(directory).some((name) => MADE.includes(name) || KEPT.test(name)))
    throw new PersistenceError(`${directory} holds no tree`)
}

/** The trees beside the place of the tree that were moved away from it, the last moved last. */
export function asideIn(directory: string): string[] {
  const names = namesIn(directory).filter((name) => ASIDE.test(name))
  return names.sort(byTime).map((name) => join(resolve(directory), name))
}

/** Compares names by the time at their end. */
function byTime(a: string, b: string): number {
  const [left, right] = [a, b].map((name) => /-.*/.exec(name)?.[0] ?? '')
  return left < right ? -1 : 1
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
