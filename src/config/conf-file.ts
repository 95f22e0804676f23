import { readFileSync } from 'node:fs'
import { didYouMean } from '../text/did-you-mean.ts'
import { splitWords } from '../text/quoting.ts'
import { readRegularFile } from '../text/regular-file.ts'
import { trim } from '../text/trim.ts'
import { type Config, ConfigError } from './config.ts'
import { directiveNames, directives, findDirective } from './directives.ts'

/**
 * What is read to its end although it is no file: nothing, and what the caller has opened for this process, be it by
 * `ktree <(make-conf)`.
 */
const GIVEN = /^\/dev\/(null|stdin|fd\/\d+)$|^\/proc\/self\/fd\/\d+$/

/** An error in a line of a conf file, in Redis's words. */
export class ConfigFileError extends Error {
  override name = 'ConfigFileError'
  /** The name of the file as the user gave it, or `standard input`. */
  readonly file: string
  /** From 1; 0 if the error is about the whole file. */
  readonly line: number
  readonly reason: string

  constructor(file: string, line: number, text: string, reason: string) {
    const place = line > 0 ? `, at line ${line}\n>>> '${text}'` : ''
    super(
      `*** FATAL CONFIG FILE ERROR ***\nReading the configuration file ${file}${place}\n${reason}`,
    )
    this.file = file
    this.line = line
    this.reason = reason
  }
}

/** A line of a conf file. `name` is in lower case, and undefined for blank lines and comments. */
export interface ConfigLine {
  readonly text: string
  readonly name?: string
  readonly args: readonly string[]
  /** Whether its quotes are unbalanced; comments never are. */
  readonly unbalanced: boolean
}

/** Splits a conf file into lines as Redis does. */
export function parseConfigLines(content: string): ConfigLine[] {
  return content.split('\n').map((line) => {
    const text = trim(line, ' \t\r')
    if (text === '' || text.startsWith('#')) return { text, args: [], unbalanced: false }
    const words = splitWords(text)
    if (!words) return { text, args: [], unbalanced: true }
    const [name, ...args] = words
    return { text, name: name.toLowerCase(), args, unbalanced: false }
  })
}

/** The text of a line for a log, without passwords. */
function shown(line: ConfigLine): string {
  const known = line.name !== undefined && findDirective(line.name)
  const first = /^["']?([\w-]*)/.exec(line.text)?.[1] ?? ''
  if (line.name === 'user' || first.toLowerCase() === 'user') return 'user (not shown)'
  const name = known || findDirective(first)
  return name && 'secret' in directives[name] ? `${name} (not shown)` : line.text
}

function unknownDirective(name: string): string {
  if (name === 'include') return 'include is not supported: give one file, and options after it'
  const reason = 'Bad directive or wrong number of arguments'
  const near = didYouMean(name, directiveNames)
  return near ? `${reason}; did you mean '${near}'?` : reason
}

/**
 * Sets the directives of a conf file's text, from the first line to the last.
 * @param content a binary string
 * @param file its name in errors
 * @throws ConfigFileError for the first line that is not valid
 */
export function applyConfigText(config: Config, content: string, file: string): void {
  for (const [index, line] of parseConfigLines(content).entries()) {
    const fail = (reason: string): ConfigFileError =>
      new ConfigFileError(file, index + 1, shown(line), reason)
    if (line.unbalanced) throw fail('Unbalanced quotes in configuration line')
    if (line.name === undefined) continue
    if (line.name !== 'user' && !findDirective(line.name)) throw fail(unknownDirective(line.name))
    try {
      config.set(line.name, line.args)
    } catch (error) {
      throw error instanceof ConfigError ? fail(error.reason) : error
    }
  }
}

/**
 * Reads a conf file and sets its directives.
 * @throws ConfigFileError if it cannot be read, or a line is not valid
 */
export function loadConfigFile(config: Config, path: string): void {
  let content: string
  try {
    content = (GIVEN.test(path) ? readFileSync(path) : readRegularFile(path)).toString('latin1')
  } catch (error) {
    throw new ConfigFileError(path, 0, '', `cannot open it: ${(error as Error).message}`)
  }
  applyConfigText(config, content, path)
}
