import { cleanPath } from '../../src/store/path.ts'
import { matchGlob } from '../../src/text/glob.ts'

export type Access = 'r' | 'w'

/** What a user may do with keys: the model that the server is compared with. */
export class PathModel {
  readonly #patterns: readonly { glob: string; access: string }[]

  /** @param rules `~a/*`, `%R~b`: key patterns without classes and escapes */
  constructor(rules: readonly string[]) {
    const patterns = new Map<string, string>()
    for (const rule of rules) {
      const [access, glob] = rule.split('~', 2)
      const path = cleanPath(glob)
      patterns.set(path, (patterns.get(path) ?? '') + (access.toLowerCase() || 'rw'))
    }
    this.#patterns = [...patterns].map(([glob, access]) => ({ glob, access }))
  }

  get globs(): string[] {
    return this.#patterns.map(({ glob }) => glob)
  }

  /** @param path clean; `access` is `r`, `w`, `rw`, or empty, for which either will do */
  may(path: string, access: string): boolean {
    return this.#with(access).some(({ glob }) => matchGlob(glob, path))
  }

  /** Whether all below a path may be used: `allkeys`, or a literal path followed by `*`. */
  covers(path: string, access: string): boolean {
    const inside = path === '/' ? path : `${path}/`
    return this.#with(access).some(
      ({ glob }) => /^[^*?]*\*+$/.test(glob) && inside.startsWith(glob.replace(/\*+$/, '')),
    )
  }

  #with(access: string): readonly { glob: string }[] {
    return this.#patterns.filter((each) => [...access].every((one) => each.access.includes(one)))
  }
}
