import { MAX_NAME_BYTES } from '../request/arguments/pattern.ts'
import { matchGlob } from '../text/glob.ts'
import { findCategory } from './categories.ts'
import type { CommandCatalogue, NumberedCommand } from './command-catalogue.ts'
import { PathPattern } from './path-pattern.ts'
import { RuleError } from './rule-error.ts'
import { hasBlank, ruleText } from './rule-words.ts'

/** What may be done with a key: bits of an access, which may be both or, to ask for a type, none. */
export const READ = 1
export const WRITE = 2
export const READ_WRITE = READ | WRITE

/** Keys that may be read, or written, or both, as a rule has them. */
interface KeyRule {
  readonly text: string
  /** {@link READ}, {@link WRITE} or both. */
  readonly access: number
  /** Absent until somebody asks. */
  pattern: PathPattern | undefined
}

/** The same, of all rules whose patterns are one pattern once they are clean. */
interface AllowedKeys {
  readonly pattern: PathPattern
  readonly access: number
}

/** First arguments of a command as their rules have them, by themselves in lower case. */
type FirstArguments = Map<string, string>

interface KeyPatterns {
  readonly all: readonly AllowedKeys[]
  /** Those that can match a path of any first byte. */
  readonly others: readonly AllowedKeys[]
  /** Those that can match a path, by its first byte, where there are more than {@link others}. */
  readonly byFirst: ReadonlyMap<number, readonly AllowedKeys[]>
}

/** What a rule has besides a pattern or an argument, such as `+config|get|`, in bytes, about. */
const RULE_BYTES = 32
const KEY_PREFIXES = ['', '%R~', '%W~', '~']

/**
 * Rights that hold together: commands, the keys that they may use, and channels. A user has a root
 * selector, and others in parentheses; a request must be allowed by one of them as a whole.
 */
export class Selector {
  readonly catalogue: CommandCatalogue
  allKeys = false
  allChannels: boolean
  /** Every command, without a look at {@link commands}. */
  allCommands = false
  /** `+@all` came after the last `-@all`: the rules are told by what they leave out. */
  allFirst = false
  /** 1 for each command that is allowed, by its number. */
  commands: Uint8Array
  /** Whether a copy has the same array, which must not change then. */
  #sharesCommands = false
  /** The first arguments with which a command is allowed that is not allowed as such, by number. */
  readonly firstArguments = new Map<number, FirstArguments>()
  /** By the text of their patterns, in the order in which they were given. */
  #keyRules: Map<string, KeyRule> = new Map()
  /** What they allow; absent until somebody asks, because many rules may come one after the other. */
  #patterns: KeyPatterns | undefined
  /** Patterns of channels, in the order in which they were given. */
  #channels: Set<string> = new Set()

  /** @param commands those that are allowed; absent for none */
  constructor(
    catalogue: CommandCatalogue,
    allChannels: boolean,
    commands: Uint8Array = new Uint8Array(catalogue.all.length),
  ) {
    this.catalogue = catalogue
    this.allChannels = allChannels
    this.commands = commands
  }

  copy(): Selector {
    this.#sharesCommands = true
    const copy = new Selector(this.catalogue, this.allChannels, this.commands)
    copy.#sharesCommands = true
    copy.allKeys = this.allKeys
    copy.allCommands = this.allCommands
    copy.allFirst = this.allFirst
    for (const [id, args] of this.firstArguments) copy.firstArguments.set(id, new Map(args))
    copy.#keyRules = new Map(this.#keyRules)
    copy.#patterns = this.#patterns
    copy.#channels = new Set(this.#channels)
    return copy
  }

  /** Everything is allowed. */
  get isUnrestricted(): boolean {
    return this.allCommands && this.allKeys && this.allChannels
  }

  /** Whether it allows all that another one allows; false where that is not plain from the rules. */
  includes(other: Selector): boolean {
    if (other === this) return true
    return (
      this.#includesCommands(other) && this.#includesKeys(other) && this.#includesChannels(other)
    )
  }

  /** Whether a request's command is allowed. @param args the request, the command's name first */
  allowsCommand(id: number, args: readonly string[]): boolean {
    return this.allCommands || this.commands[id] === 1 || this.#allowsFirst(id, args)
  }

  /**
   * Whether a path may be used.
   *
   * @param path clean; the slash in front may be left out
   * @param start 1 if there is a slash in front, 0 if not
   * @param access {@link READ}, {@link WRITE}, both, or 0, for which either will do
   */
  allowsKey(path: string, start: 0 | 1, access: number): boolean {
    if (this.allKeys) return true
    const { all, others, byFirst } = this.#keyPatterns
    const keys = path.length > start ? (byFirst.get(path.charCodeAt(start)) ?? others) : all
    for (let i = 0; i < keys.length; i++) {
      const each = keys[i]
      if ((each.access & access) === access && each.pattern.matches(path, start)) return true
    }
    return false
  }

  /** How many patterns {@link allowsKey} may have to try. */
  get patternCount(): number {
    return this.allKeys ? 0 : this.#keyPatterns.all.length
  }

  /** How many patterns {@link allowsChannel} may have to try. */
  get channelCount(): number {
    return this.allChannels ? 0 : this.#channels.size
  }

  /** Whether all that is, or could be, below a clean, absolute path may be used. */
  allowsBelow(path: string, access: number): boolean {
    if (this.allKeys) return true
    const { all, others, byFirst } = this.#keyPatterns
    // What covers a directory begins as its path does.
    const keys = path.length > 1 ? (byFirst.get(path.charCodeAt(1)) ?? others) : all
    return keys.some(
      ({ pattern, access: given }) => (given & access) === access && pattern.coversBelow(path),
    )
  }

  /** Whether a channel may be used; a pattern of PSUBSCRIBE must be one of the rules itself. */
  allowsChannel(channel: string, isPattern: boolean): boolean {
    if (this.allChannels) return true
    if (isPattern) return this.#channels.has(ruleText(channel))
    for (const pattern of this.#channels) if (matchGlob(pattern, channel)) return true
    return false
  }

  /** Whether all keys that a tree pattern of PSUBSCRIBE can match may be read. */
  allowsTreePattern(glob: string): boolean {
    if (this.allKeys) return true
    return this.#keyPatterns.all.some(
      ({ pattern, access }) => (access & READ) !== 0 && pattern.coversPattern(glob),
    )
  }

  /** Changes the rights. @throws RuleError */
  apply(rule: string): void {
    const text = ruleText(rule)
    switch (text.toLowerCase()) {
      case 'allkeys':
      case '~*':
        this.allKeys = true
        this.#clearKeys()
        return
      case 'resetkeys':
        this.allKeys = false
        this.#clearKeys()
        return
      case 'allchannels':
      case '&*':
        this.allChannels = true
        this.#channels = new Set()
        return
      case 'resetchannels':
        this.allChannels = false
        this.#channels = new Set()
        return
      case 'allcommands':
      case '+@all':
        this.#setAll(true)
        return
      case 'nocommands':
      case '-@all':
        this.#setAll(false)
        return
    }
    if (rule.startsWith('~') || rule.startsWith('%')) this.#addKeys(rule)
    else if (rule.startsWith('&')) this.#addChannel(rule.slice(1))
    else if (rule.startsWith('+') || rule.startsWith('-')) this.#applyToCommands(text)
    else throw new RuleError('syntax')
  }

  /** Allows or forbids a command, with its subcommands. */
  setCommand(command: NumberedCommand, allowed: boolean): void {
    this.#setBit(command.id, allowed)
    this.firstArguments.delete(command.id)
    for (const { id } of command.subcommands) this.#setBit(id, allowed)
  }

  /** The length of its rules, about: patterns of keys and channels, and first arguments. */
  get ruleBytes(): number {
    let bytes = RULE_BYTES
    for (const text of this.#keyRules.keys()) bytes += RULE_BYTES + text.length
    for (const channel of this.#channels) bytes += RULE_BYTES + channel.length
    for (const args of this.firstArguments.values()) {
      for (const arg of args.keys()) bytes += RULE_BYTES + arg.length
    }
    return bytes
  }

  /** The patterns of keys as rules. */
  describeKeys(): string[] {
    if (this.allKeys) return ['~*']
    return [...this.#keyRules.values()].map(({ text, access }) => KEY_PREFIXES[access] + text)
  }

  /** The patterns of channels as rules. */
  describeChannels(): string[] {
    return this.allChannels ? ['&*'] : [...this.#channels].map((channel) => `&${channel}`)
  }

  #allowsFirst(id: number, args: readonly string[]): boolean {
    const allowed = this.firstArguments.get(id)
    if (allowed === undefined || args.length < 2) return false
    return allowed.has(ruleText(args[1]).toLowerCase())
  }

  #includesCommands(other: Selector): boolean {
    if (this.allCommands) return true
    const { commands } = this
    if (
      commands !== other.commands &&
      other.commands.some((allowed, id) => allowed > commands[id])
    ) {
      return false
    }
    for (const [id, args] of other.firstArguments) {
      if (this.commands[id] === 1) continue
      const mine = this.firstArguments.get(id)
      for (const arg of args.keys()) if (mine?.has(arg) !== true) return false
    }
    return true
  }

  #includesKeys(other: Selector): boolean {
    if (this.allKeys) return true
    if (other.allKeys) return false
    for (const { text, access } of other.#keyRules.values()) {
      const mine = this.#keyRules.get(text)?.access ?? 0
      if ((mine & access) !== access) return false
    }
    return true
  }

  #includesChannels(other: Selector): boolean {
    if (this.allChannels) return true
    if (other.allChannels) return false
    for (const channel of other.#channels) if (!this.#channels.has(channel)) return false
    return true
  }

  #setAll(allowed: boolean): void {
    this.#ownCommands()
    this.commands.fill(allowed ? 1 : 0)
    this.allCommands = this.allFirst = allowed
    this.firstArguments.clear()
  }

  #setBit(id: number, allowed: boolean): void {
    this.#ownCommands()
    this.commands[id] = allowed ? 1 : 0
    if (!allowed) this.allCommands = false
  }

  /** Called before commands are allowed or forbidden. */
  #ownCommands(): void {
    if (!this.#sharesCommands) return
    this.commands = this.commands.slice()
    this.#sharesCommands = false
  }

  #addKeys(rule: string): void {
    if (this.allKeys) throw new RuleError('allKeys')
    const { access, text } = rule.startsWith('~')
      ? { access: READ_WRITE, text: rule.slice(1) }
      : parseKeyRule(rule)
    if (hasBlank(text)) throw new RuleError('syntax')
    checkLength(text)
    const known = this.#keyRules.get(text)
    this.#keyRules.set(text, {
      text,
      access: (known?.access ?? 0) | access,
      pattern: known?.pattern,
    })
    this.#patterns = undefined
  }

  #clearKeys(): void {
    this.#keyRules = new Map()
    this.#patterns = undefined
  }

  get #keyPatterns(): KeyPatterns {
    this.#patterns ??= keyPatterns(this.#keyRules.values())
    return this.#patterns
  }

  #addChannel(channel: string): void {
    if (this.allChannels) throw new RuleError('allChannels')
    if (hasBlank(channel)) throw new RuleError('syntax')
    checkLength(channel)
    this.#channels.add(channel)
  }

  /** @param rule up to its first NUL byte */
  #applyToCommands(rule: string): void {
    const allowed = rule.startsWith('+')
    const name = rule.slice(1)
    if (name.startsWith('@')) this.#applyToCategory(name.slice(1), allowed)
    else if (allowed && name.includes('|')) this.#allowPart(name)
    else this.setCommand(this.#find(name), allowed)
  }

  #applyToCategory(name: string, allowed: boolean): void {
    const category = findCategory(name)
    if (category === undefined) throw new RuleError('unknown')
    for (const command of this.catalogue.all) {
      if (command.categories.includes(category)) this.setCommand(command, allowed)
    }
  }

  /** `+config|get`, a subcommand; or `+select|0`, a first argument of an otherwise forbidden command. */
  #allowPart(name: string): void {
    const bar = name.lastIndexOf('|')
    const command = this.#find(name.slice(0, bar))
    const part = name.slice(bar + 1)
    if (command.parent !== undefined) throw new RuleError('firstArgument')
    if (part === '') throw new RuleError('syntax')
    checkLength(part)
    if (command.subcommands.length > 0) {
      this.setCommand(this.#find(name), true)
      return
    }
    let known = this.firstArguments.get(command.id)
    if (known === undefined) {
      known = new Map()
      this.firstArguments.set(command.id, known)
    }
    const lower = part.toLowerCase()
    if (!known.has(lower)) known.set(lower, part)
  }

  #find(name: string): NumberedCommand {
    const command = this.catalogue.find(name)
    if (command === undefined) throw new RuleError('unknown')
    return command
  }
}

/** @throws RuleError for a pattern that is longer than what it could match */
function checkLength({ length }: string): void {
  if (length > MAX_NAME_BYTES) throw new RuleError('long')
}

function keyPatterns(rules: Iterable<KeyRule>): KeyPatterns {
  const allowed = new Map<string, AllowedKeys>()
  for (const rule of rules) {
    const { access } = rule
    rule.pattern ??= new PathPattern(rule.text)
    const { pattern } = rule
    const known = allowed.get(pattern.text)
    allowed.set(pattern.text, { pattern, access: access | (known?.access ?? 0) })
  }
  const all = [...allowed.values()]
  const others = all.filter(({ pattern }) => pattern.first < 0)
  const byFirst = new Map<number, AllowedKeys[]>()
  for (const each of all) {
    const { first } = each.pattern
    if (first < 0) continue
    const sameFirst = byFirst.get(first)
    if (sameFirst === undefined) byFirst.set(first, [...others, each])
    else sameFirst.push(each)
  }
  return { all, others, byFirst }
}

/** `%R~app/*`: what may be done, in any case and each letter once, then the pattern. */
function parseKeyRule(rule: string): { access: number; text: string } {
  let access = 0
  for (let at = 1; at < rule.length; at++) {
    const letter = rule[at].toUpperCase()
    if (letter === 'R' && (access & READ) === 0) access |= READ
    else if (letter === 'W' && (access & WRITE) === 0) access |= WRITE
    else if (letter === '~' && access !== 0) return { access, text: rule.slice(at + 1) }
    else throw new RuleError('syntax')
  }
  // As in Redis, a rule without its pattern is one with an empty pattern.
  if (access === 0) throw new RuleError('syntax')
  return { access, text: '' }
}
