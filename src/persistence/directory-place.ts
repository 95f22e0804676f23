import { closeSync, fstatSync, openSync, readdirSync, type Stats, statSync } from 'node:fs'

/**
 * Where a directory was when it was opened. It is kept open, because the system would else give its number to
 * another one as soon as it is removed.
 */
export class DirectoryPlace {
  readonly #path: string
  #descriptor: number | undefined

  /** @throws the system's error */
  constructor(path: string) {
    this.#path = path
    this.#descriptor = openSync(path, 'r')
  }

  /** Whether nothing is at its path any more, or an empty directory that somebody has made since. */
  get isGone(): boolean {
    const found = this.#found()
    if (found === undefined) return true
    if (this.#is(found)) return false
    try {
      return readdirSync(this.#path).length === 0
    } catch {
      return false
    }
  }

  /** Whether something else is at its path. Takes some microseconds. */
  get isTaken(): boolean {
    const found = this.#found()
    return found !== undefined && !this.#is(found) && !this.isGone
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  /** What is at the path; undefined if there is nothing. */
  #found(): Stats | 'unknown' | undefined {
    try {
      return statSync(this.#path, { throwIfNoEntry: false })
    } catch (error) {
      // A parent that is a file now has nothing below it.
      return (error as NodeJS.ErrnoException).code === 'ENOTDIR' ? undefined : 'unknown'
    }
  }

  #is(found: Stats | 'unknown'): boolean {
    if (found === 'unknown' || this.#descriptor === undefined) return true
    const { dev, ino } = fstatSync(this.#descriptor)
    return found.dev === dev && found.ino === ino
  }
}
