import { didYouMean } from './did-you-mean.ts'
import { type DirectiveName, directiveNames, directives, findDirective } from './directives.ts'

/** An option or argument that ktree does not take; the message is for the terminal. */
export class CommandLineError extends Error {
  override name = 'CommandLineError'
}

export type CommandLine =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | {
      readonly kind: 'run'
      readonly configFile?: string
      /** `-` was given: more of the configuration comes from standard input. */
      readonly standardInput: boolean
      /** In the order given, values as binary strings; they go over both of the above. */
      readonly directives: readonly (readonly [name: DirectiveName, args: readonly string[]])[]
    }

function unknownOption(option: string): CommandLineError {
  const [name, value] = option.replace(/^-+/, '').split('=', 2)
  const known = findDirective(name)
  if (known) {
    const way = `--${known} ${value ?? 'value'}`
    return new CommandLineError(`unknown option '${option}'; write ${way}`)
  }
  const near = didYouMean(name, [...directiveNames, 'help', 'version'])
  const hint = near ? `did you mean '--${near}'?` : 'ktree --help lists all'
  return new CommandLineError(`unknown option '${option}'; ${hint}`)
}

/** The one value of a text, say a password, may begin with a dash; Redis takes it too. */
function awaitsText([name, args]: readonly [DirectiveName, readonly string[]]): boolean {
  return args.length === 0 && directives[name].type === 'string'
}

/**
 * Reads the arguments as redis-server does: a conf file first, then `--directive value ...`,
 * where the values of a directive reach to the next `--`, and a `-` first or last to read
 * standard input. Values are not looked at.
 * @param argv without node and the script
 * @throws CommandLineError
 */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const rest = [...argv]
  const configFile = rest[0] && !rest[0].startsWith('-') ? rest.shift() : undefined
  let standardInput = false
  if (rest[0] === '-' || rest.at(-1) === '-') {
    standardInput = true
    if (rest[0] === '-') rest.shift()
    else rest.pop()
  }
  const given: [DirectiveName, string[]][] = []
  for (const word of rest) {
    const last = given.at(-1)
    if (!word.startsWith('-') || (last && awaitsText(last))) {
      if (!last) throw new CommandLineError(`'${word}' is no option; a conf file must come first`)
      last[1].push(Buffer.from(word, 'utf8').toString('latin1'))
    } else if (word === '-h' || word === '--help') {
      return { kind: 'help' }
    } else if (word === '-v' || word === '--version') {
      return { kind: 'version' }
    } else if (word.startsWith('--')) {
      const name = findDirective(word.slice(2))
      if (!name) throw unknownOption(word)
      given.push([name, []])
    } else if (last) {
      last[1].push(word) // such as -::1, or a negative number
    } else {
      throw unknownOption(word)
    }
  }
  return { kind: 'run', ...(configFile && { configFile }), standardInput, directives: given }
}
