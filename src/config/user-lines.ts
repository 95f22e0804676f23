import { quoteWord } from '../text/quoting.ts'

/** What a line `user <name> <rules>` of a conf file says. */
export interface UserLine {
  readonly name: string
  /** Checked when the server starts, because they name commands. */
  readonly rules: readonly string[]
}

/**
 * Reads the arguments of a line `user`.
 *
 * @param known the names in the lines before it
 * @throws Error in Redis's words
 */
export function parseUserLine(args: readonly string[], known: ReadonlySet<string>): UserLine {
  const [name, ...rules] = args
  if (name === undefined) throw new Error('wrong number of arguments')
  if (known.has(name)) {
    throw new Error(
      `Error in user declaration '${name}': Duplicate user found. A user can only be defined once in config files`,
    )
  }
  return { name, rules }
}

/**
 * The line of a conf file that defines a user.
 *
 * @param rules with blanks between them
 */
export function formatUserLine(name: string, rules: string): string {
  const words = [name, ...rules.split(' ')]
  return `user ${words.map((word) => (/^$|["']/.test(word) ? quoteWord(word) : word)).join(' ')}`
}
