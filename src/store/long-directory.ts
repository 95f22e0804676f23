const SLASH = 47

/** Directories with shorter paths are not remembered, because walking to them is as fast. */
export const MIN_LONG_DIRECTORY_BYTES = 256

/**
 * The text of the long directory that was used last.
 *
 * Problem: a transaction can name one file below 1,000 directories 50,000 times, and each request walked down to it,
 * and read all its names, two to five times: 20 microseconds a time.
 *
 * Trick: what was found out about the directory of a long path is kept, and used again for paths that begin with it:
 * that its names are proper (path.ts), and where it is (tree/long-way.ts). V8 compares a slice with a string of the
 * same length a machine word at a time; `startsWith` takes ten times as long.
 *
 * Price: a copy of the text, which takes a tenth of the walk, when another long directory is used. Shorter paths pay
 * one comparison of a length.
 *
 * Gain: 50,000 times INCR of such a key took 1.6 s of processor time, and take 0.3 s; GET 0.5 s and 0.1 s.
 *
 * Can be deleted with tree/long-way.ts, by walking from the root and reading paths from their beginning.
 */
export class LongDirectory {
  /** Without the slash in front; empty if there is none. */
  #text = ''

  /**
   * Where the name begins that comes after the directory.
   *
   * @param start where the path's first component begins
   * @returns 0 if the path does not lie below the directory
   */
  endIn(path: string, start: number): number {
    const end = start + this.#text.length
    if (end === start || path.charCodeAt(end) !== SLASH) return 0
    return path.slice(start, end) === this.#text ? end + 1 : 0
  }

  /** @param text without the slash in front; not cut from a longer string, because it is kept */
  remember(text: string): void {
    this.#text = text
  }
}
