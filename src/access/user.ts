import type { CommandCatalogue } from './command-catalogue.ts'
import { commandRules } from './describe-commands.ts'
import { hasHash, hashPassword, isPasswordHash } from './password.ts'
import { RuleError } from './rule-error.ts'
import { asSaved, asSavedInSelector, ruleText, selectorRules } from './rule-words.ts'
import { READ, Selector } from './selector.ts'

/** A password in a description: `#`, its hash and a blank. */
const PASSWORD_BYTES = 66

/** Every client is this user until it gives another name. */
export const DEFAULT_USER = 'default'

/** A user: how it proves who it is, and what it may do. */
export class User {
  readonly name: string
  readonly #catalogue: CommandCatalogue
  /** Whether a selector has the right to all channels when nothing is said (`acl-pubsub-default`). */
  readonly #allChannels: () => boolean
  enabled = false
  /** Any password will do. */
  nopass = false
  /** Redis's flag about the payloads of RESTORE; kept and shown, for all payloads are checked. */
  #sanitize: '' | 'skip-sanitize-payload' | 'sanitize-payload' = ''
  /** Hashes, in the order in which they were given. */
  #passwords = new Set<string>()
  /** The root selector, then those in parentheses, which users share because they never change. */
  #selectors: Selector[]
  /** Whether one of those in parentheses allows everything. */
  #othersAllow = false
  /** The root selector, if there is no other. */
  #only: Selector | undefined
  /** Everything is allowed: nothing else need be asked. */
  unrestricted = false
  /** The rules of each selector's commands; absent until somebody asks, because working them out takes long. */
  #commandRules: readonly (readonly string[])[] | undefined

  /** The last path asked for by {@link mayRead}, because all who hear of an event ask for the same one. */
  #askedPath: string | undefined
  #mayReadAsked = false

  constructor(name: string, catalogue: CommandCatalogue, allChannels: () => boolean) {
    this.name = name
    this.#catalogue = catalogue
    this.#allChannels = allChannels
    this.#selectors = [new Selector(catalogue, allChannels())]
    this.#only = this.#selectors[0]
  }

  get selectors(): readonly Selector[] {
    return this.#selectors
  }

  get passwords(): readonly string[] {
    return [...this.#passwords]
  }

  /** Whether a password lets a client in as this user. @param password a binary string */
  admits(password: string): boolean {
    return this.enabled && (this.nopass || hasHash(password, this.#passwords))
  }

  /** Whether a path may be read. @param path absolute and clean */
  mayRead(path: string): boolean {
    if (this.unrestricted) return true
    if (path !== this.#askedPath) {
      this.#askedPath = path
      this.#mayReadAsked = this.#selectors.some((selector) => selector.allowsKey(path, 1, READ))
    }
    return this.#mayReadAsked
  }

  /**
   * Whether a request is allowed, if it is of the most frequent kind, and the user has no selectors
   * beside the root one.
   *
   * @param id the command's number
   * @param key its only key, clean; the slash in front may be left out
   * @param access READ, WRITE, or both
   * @returns false if another look has to be taken
   */
  allowsOneKey(id: number, key: string, start: 0 | 1, access: number): boolean {
    const selector = this.#only
    if (selector === undefined) return false
    if (!selector.allCommands && selector.commands[id] !== 1) return false
    return selector.allowsKey(key, start, access)
  }

  /** Changes the user by rules, in turn. @throws RuleError for the first that cannot be taken */
  apply(rule: string): void {
    if (rule === '') return
    this.#commandRules = undefined
    this.#askedPath = undefined
    const text = ruleText(rule)
    switch (text.toLowerCase()) {
      case 'on':
        this.enabled = true
        break
      case 'off':
        this.enabled = false
        break
      case 'skip-sanitize-payload':
        this.#sanitize = 'skip-sanitize-payload'
        break
      case 'sanitize-payload':
        this.#sanitize = 'sanitize-payload'
        break
      case 'nopass':
        this.nopass = true
        this.#passwords = new Set()
        break
      case 'resetpass':
        this.nopass = false
        this.#passwords = new Set()
        break
      case 'clearselectors':
        this.#selectors = this.#selectors.slice(0, 1)
        this.#othersAllow = false
        break
      case 'reset':
        this.#reset()
        break
      default:
        this.#applyOther(rule)
    }
    this.#only = this.#selectors.length === 1 ? this.#selectors[0] : undefined
    this.unrestricted = this.#othersAllow || this.#selectors[0].isUnrestricted
  }

  /** A user of the same name with the same rights, to try rules on. */
  copy(): User {
    const copy = new User(this.name, this.#catalogue, this.#allChannels)
    copy.become(this)
    return copy
  }

  /** Takes over everything of another user but the name. */
  become(other: User): void {
    this.#askedPath = undefined
    this.enabled = other.enabled
    this.nopass = other.nopass
    this.#sanitize = other.#sanitize
    this.#passwords = new Set(other.#passwords)
    this.#selectors = [...other.#selectors]
    this.#selectors[0] = other.#selectors[0].copy()
    this.#only = this.#selectors.length === 1 ? this.#selectors[0] : undefined
    this.#othersAllow = other.#othersAllow
    this.#commandRules = other.#commandRules
    this.unrestricted = other.unrestricted
  }

  /** Whether it may do all that another user may; false where that is not plain from the rules. */
  mayAllThat(other: User): boolean {
    if (this.unrestricted) return true
    const mine = this.#selectors
    const others = other.#selectors
    return mine.length >= others.length && others.every((each, i) => mine[i].includes(each))
  }

  /** `on`, `off` and their like, in Redis's order. */
  describeFlags(): string[] {
    const flags = [this.enabled ? 'on' : 'off']
    if (this.nopass) flags.push('nopass')
    if (this.#sanitize !== '') flags.push(this.#sanitize)
    return flags
  }

  /** The length of its rules, about, with its passwords. */
  get ruleBytes(): number {
    const passwords = PASSWORD_BYTES * this.#passwords.size
    return this.#selectors.reduce((sum, { ruleBytes }) => sum + ruleBytes, passwords)
  }

  /** All rules, as ACL LIST shows them; Redis does not quote what has a blank in it. */
  describe(): string {
    return this.#describe((rule) => rule, asSavedInSelector)
  }

  /** All rules, as files keep them: what is read again is the same, whatever they are. */
  describeForFile(): string {
    return this.#describe(asSaved, asSavedInSelector)
  }

  #describe(inRoot: (rule: string) => string, inSelector: (rule: string) => string): string {
    const passwords = this.passwords.map((hash) => `#${hash}`)
    this.#commandRules ??= this.#selectors.map(commandRules)
    const rulesOfCommands = this.#commandRules
    const selectors = this.#selectors.map((selector, i) => {
      const channels = selector.describeChannels()
      const rules = [
        ...selector.describeKeys(),
        ...(selector.allChannels ? channels : ['resetchannels', ...channels]),
        ...rulesOfCommands[i],
      ]
      return i === 0 ? rules.map(inRoot).join(' ') : `(${rules.map(inSelector).join(' ')})`
    })
    return [...this.describeFlags(), ...passwords, ...selectors].join(' ')
  }

  #reset(): void {
    const rules = ['resetpass', 'resetkeys', 'resetchannels']
    if (this.#allChannels()) rules.push('allchannels')
    for (const rule of [...rules, 'off', 'sanitize-payload', 'clearselectors', '-@all']) {
      this.apply(rule)
    }
  }

  #applyOther(rule: string): void {
    const value = rule.slice(1)
    switch (rule[0]) {
      case '>':
        this.#addPassword(hashPassword(value))
        return
      case '#':
        if (!isPasswordHash(value)) throw new RuleError('hash')
        this.#addPassword(value)
        return
      case '<':
        this.#removePassword(hashPassword(value))
        return
      case '!':
        if (!isPasswordHash(value)) throw new RuleError('hash')
        this.#removePassword(value)
        return
    }
    if (rule.startsWith('(') && rule.endsWith(')')) {
      const selector = new Selector(this.#catalogue, this.#allChannels())
      for (const each of selectorRules(rule)) selector.apply(each)
      this.#selectors.push(selector)
      this.#othersAllow ||= selector.isUnrestricted
    } else {
      this.#selectors[0].apply(rule)
    }
  }

  #addPassword(hash: string): void {
    this.#passwords.add(hash)
    this.nopass = false
  }

  #removePassword(hash: string): void {
    if (!this.#passwords.delete(hash)) throw new RuleError('noPassword')
  }
}
