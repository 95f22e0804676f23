import { takesSeveral } from '../config/directive-value.ts'
import {
  type DirectiveName,
  describeDirective,
  directiveNames,
  directives,
  findDirective,
} from '../config/directives.ts'
import { didYouMean } from '../text/did-you-mean.ts'

/** An option or argument that is not valid; the message is for the terminal. */
export class CommandLineError extends Error {
  override name = 'CommandLineError'
}

/** The commands of the program other than serving. */
export type TransferKind = 'import' | 'export' | 'repair'

const TRANSFERS: readonly string[] = ['import', 'export', 'repair'] satisfies TransferKind[]

/** The sources of the configuration. */
interface Configured {
  readonly configFile?: string
  /** In the order given, with values as binary strings. They override the conf file. */
  readonly directives: readonly (readonly [name: OptionName, args: readonly string[]])[]
}

export interface Run extends Configured {
  readonly kind: 'run'
  /** Whether `-` was given: more of the configuration comes from standard input. */
  readonly standardInput: boolean
}

export interface Transfer extends Configured {
  readonly kind: TransferKind
  /** The file to read or write; `-` is standard input or output. */
  readonly file: string
  readonly replace: boolean
}

export type CommandLine =
  | { readonly kind: 'help'; readonly about?: TransferKind }
  | { readonly kind: 'version' }
  | Run
  | Transfer

function unknownOption(option: string, others: readonly string[]): CommandLineError {
  const [name, value] = option.replace(/^-+/, '').split('=', 2)
  const known = findDirective(name)
  if (known) {
    const way = `--${known} ${value ?? 'value'}`
    return new CommandLineError(`unknown option '${option}'; write ${way}`)
  }
  const near = didYouMean(name, [...directiveNames, 'help', ...others])
  const hint = near ? `did you mean '--${near}'?` : 'ktree --help lists all'
  return new CommandLineError(`unknown option '${option}'; ${hint}`)
}

/** A directive or `user`, which may be given several times. */
export type OptionName = DirectiveName | 'user'
type Given = [name: OptionName, args: string[]]

function findOption(word: string): OptionName | undefined {
  if (!word.startsWith('--')) return undefined
  return word.toLowerCase() === '--user' ? 'user' : findDirective(word.slice(2))
}

/**
 * Whether the directive still lacks its text value. Such a value, a password for example, may begin
 * with a dash.
 */
function awaitsText([name, args]: Given): boolean {
  return args.length === 0 && name !== 'user' && directives[name].type === 'string'
}

function toBytes(word: string): string {
  return Buffer.from(word, 'utf8').toString('latin1')
}

function isHelp(word: string): boolean {
  return word === '-h' || word === '--help'
}

/**
 * Parses the arguments as redis-server does: a conf file, then `--directive value ...`. A directive
 * takes all words up to the next one that begins with `--`. A `-` in the first or last place means
 * standard input. Values are not checked. A first word `import`, `export` or `repair` is a command,
 * not a conf file.
 * @param argv without node and the script
 * @throws CommandLineError
 */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const [first] = argv
  if (TRANSFERS.includes(first)) return parseTransfer(first as TransferKind, argv.slice(1))
  const rest = [...argv]
  const configFile = first && !first.startsWith('-') ? rest.shift() : undefined
  let standardInput = false
  if (rest[0] === '-' || rest.at(-1) === '-') {
    standardInput = true
    if (rest[0] === '-') rest.shift()
    else rest.pop()
  }
  const given: Given[] = []
  for (const word of rest) {
    const last = given.at(-1)
    if (!word.startsWith('-') || (last && awaitsText(last))) {
      if (!last) throw new CommandLineError(`'${word}' is no option; a conf file must come first`)
      last[1].push(toBytes(word))
    } else if (isHelp(word)) {
      return { kind: 'help' }
    } else if (word === '-v' || word === '--version') {
      return { kind: 'version' }
    } else if (word.startsWith('--')) {
      const name = findOption(word)
      if (!name) throw unknownOption(word, ['version'])
      given.push([name, []])
    } else if (last) {
      last[1].push(word) // such as -::1, or a negative number
    } else {
      throw unknownOption(word, ['version'])
    }
  }
  return { kind: 'run', ...(configFile && { configFile }), standardInput, directives: given }
}

/**
 * Parses the arguments of `import`, `export` and `repair`: a file, except for `repair`, then the
 * arguments that the server is started with. A directive that takes one value ends after it, so a
 * file name may come next.
 */
function parseTransfer(kind: TransferKind, words: readonly string[]): CommandLine {
  const files: string[] = []
  const given: Given[] = []
  let replace = false
  for (const word of words) {
    const last = given.at(-1)
    const isValue = last && (!word.startsWith('-') || awaitsText(last)) && takesMore(last)
    if (isValue) last[1].push(toBytes(word))
    else if (word === '-' || !word.startsWith('-')) files.push(word)
    else if (isHelp(word)) return { kind: 'help', about: kind }
    else if (word === '--replace' && kind !== 'repair') replace = true
    else {
      const name = findOption(word)
      if (!name) throw unknownOption(word, ['replace'])
      given.push([name, []])
    }
  }
  if (kind === 'repair') files.unshift('-')
  const [file, configFile, ...more] = files
  if (file === undefined && kind === 'import') {
    throw new CommandLineError('import needs a FILE, or - for standard input')
  }
  if (more.length > 0) {
    const takes = kind === 'repair' ? 'a conf file' : 'a FILE and a conf file'
    throw new CommandLineError(`'${more[0]}' is too much: ${kind} takes ${takes}`)
  }
  const configured = { ...(configFile && { configFile }), directives: given }
  return { kind, file: file ?? '-', replace, ...configured }
}

function takesMore([name, args]: Given): boolean {
  return args.length === 0 || name === 'user' || takesSeveral(describeDirective(name))
}
