import { ExpectedError } from '../text/expected-error.ts'
import { trim } from '../text/trim.ts'
import type { CommandCatalogue } from './command-catalogue.ts'
import { RuleError } from './rule-error.ts'
import {
  hasBlank,
  mergeSelectors,
  ruleText,
  savedRule,
  UnmatchedParenthesis,
} from './rule-words.ts'
import { DEFAULT_USER, User } from './user.ts'

/** The longest name of a new user; limited because CLIENT LIST shows it for each of its clients. */
const MAX_NAME_BYTES = 1024

/** The rules of the default user when nothing is said. */
const OPEN = ['+@all', '~*', '&*', 'on', 'nopass']

/** Users cannot be made or changed as asked; the message is for people, in Redis's words. */
export class UsersError extends ExpectedError {
  override readonly name = 'UsersError'
}

/** Whoever wants to know that a user has changed. */
export interface UsersListener {
  /**
   * A user may no longer do all that it could do.
   *
   * @returns how many rights of its clients have been judged
   */
  onNarrowed(user: User): number
  /** A user is gone: its clients must go, too. */
  onRemoved(user: User): void
}

/** All users: who may log in, and as whom. */
export class Users {
  readonly #catalogue: CommandCatalogue
  readonly #allChannels: () => boolean
  readonly #users = new Map<string, User>()
  /** By name; absent when many have come or gone. */
  #sorted: User[] | undefined
  /** Whether {@link all} has given the array away: replies keep it, so it must not change any more. */
  #isGiven = false
  /** The user of every client that has not logged in. */
  readonly default: User
  listener: UsersListener | undefined
  /** How many rights of clients have been judged, because users have changed. */
  judgedRights = 0

  /** @param allChannels whether new users may use all channels (`acl-pubsub-default`) */
  constructor(catalogue: CommandCatalogue, allChannels: () => boolean) {
    this.#catalogue = catalogue
    this.#allChannels = allChannels
    this.default = this.#open()
    this.#users.set(DEFAULT_USER, this.default)
  }

  /** A user without any right, for what is left of a client whose user is gone. */
  nobody(): User {
    return new User('', this.#catalogue, () => false)
  }

  /** By name, bytewise. */
  get all(): readonly User[] {
    this.#sorted ??= [...this.#users.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    this.#isGiven = true
    return this.#sorted
  }

  get(name: string): User | undefined {
    return this.#users.get(name)
  }

  /** Whether a client has to log in before it is served. */
  get loginRequired(): boolean {
    return !this.default.nopass || !this.default.enabled
  }

  /** The user that a name and a password stand for; undefined if they do not fit. */
  authenticate(name: string, password: string): User | undefined {
    const user = this.#users.get(name)
    return user?.admits(password) === true ? user : undefined
  }

  /** The user that a checked client certificate stands for: the enabled one of that name. */
  authenticateCertificate(name: string): User | undefined {
    const user = this.#users.get(name)
    return user?.enabled === true ? user : undefined
  }

  /**
   * Makes or changes a user by rules: all of them, or none if one cannot be taken.
   *
   * @throws UsersError
   */
  set(name: string, args: readonly string[]): void {
    if (hasBlank(name)) throw new UsersError("Usernames can't contain spaces or null characters")
    if (name.length > MAX_NAME_BYTES) {
      throw new UsersError(`Usernames can't be longer than ${MAX_NAME_BYTES} bytes`)
    }
    const known = this.#users.get(name)
    const user = known?.copy() ?? this.#new(name)
    applyRules(user, args)
    if (known === undefined) {
      this.#users.set(name, user)
      this.#ownSorted()?.splice(this.#placeOf(name), 0, user)
      return
    }
    this.#change(known, user)
  }

  /** @returns whether there was such a user; the default one always stays */
  remove(name: string): boolean {
    const user = this.#users.get(name)
    if (user === undefined || user === this.default) return false
    this.#users.delete(name)
    this.#ownSorted()?.splice(this.#placeOf(name), 1)
    this.listener?.onRemoved(user)
    return true
  }

  /** `requirepass`: the one password of the default user, or none. */
  setDefaultPassword(password: string): void {
    this.default.apply('resetpass')
    this.default.apply(password === '' ? 'nopass' : `>${password}`)
  }

  /**
   * Defines a user by a line of a conf file, whatever it was before.
   *
   * @throws UsersError, which does not quote the rule, because that may be a password
   */
  define(name: string, args: readonly string[]): void {
    if (hasBlank(name)) throw new UsersError('Spaces not allowed in ACL usernames')
    const known = this.#users.get(name)
    const user = known ?? this.#new(name)
    known?.apply('reset')
    try {
      for (const rule of mergeSelectors(args)) user.apply(savedRule(rule))
    } catch (error) {
      if (!(error instanceof RuleError || error instanceof UnmatchedParenthesis)) throw error
      const reason = error instanceof RuleError ? error.message : 'Unmatched parenthesis'
      throw new UsersError(`Error in user declaration '${name}': ${reason}`)
    }
    this.#users.set(name, user)
    this.#sorted = undefined
  }

  /**
   * Replaces all users by those of an ACL file: all of its lines, or none if one cannot be taken.
   * Clients of the former users are disconnected, those of the default user stay (Redis).
   *
   * @param content lines `user <name> <rules>`, one byte a character
   * @param file how the errors name it
   * @throws UsersError that tells everything that is wrong
   */
  load(content: string, file: string): void {
    const users = new Map<string, User>()
    let errors = ''
    for (const [index, raw] of content.split('\n').entries()) {
      const line = trim(raw, ' \t\r\n')
      if (line !== '') errors += this.#loadLine(users, line, `${file}:${index + 1}`, index + 1)
    }
    if (errors !== '') {
      throw new UsersError(
        `${errors}WARNING: ACL errors detected, no change to the previously active ACL rules was performed`,
      )
    }
    const former = [...this.#users.values()].filter((user) => user !== this.default)
    const changed = users.get(DEFAULT_USER) ?? this.#open()
    this.#users.clear()
    this.#sorted = undefined
    for (const [name, user] of users) this.#users.set(name, user)
    this.#users.set(DEFAULT_USER, this.default)
    for (const user of former) this.listener?.onRemoved(user)
    this.#change(this.default, changed)
  }

  /** Whether the default user is as if nothing but `requirepass` had ever changed it. */
  isPlainDefault(password: string): boolean {
    const plain = this.#open()
    if (password !== '') plain.apply(`>${password}`)
    return plain.describeForFile() === this.default.describeForFile()
  }

  /** Whether a user is what a line of a conf file says. @param args the rules */
  isDefinedBy(name: string, args: readonly string[]): boolean {
    const rules = this.#users.get(name)?.describeForFile()
    if (rules === undefined) return false
    // Most lines are as CONFIG REWRITE has written them: the same words, none with a blank in it.
    if (args.join(' ') === rules && !args.some((word) => word.includes(' '))) return true
    const user = this.#new(name)
    if (name === DEFAULT_USER) user.apply('reset')
    try {
      for (const rule of mergeSelectors(args)) user.apply(savedRule(rule))
    } catch {
      return false
    }
    return user.describeForFile() === rules
  }

  /** All users as ACL LIST shows them. */
  describe(): string[] {
    return this.all.map((user) => `user ${user.name} ${user.describe()}`)
  }

  /** All users as lines of an ACL file. */
  describeForFile(): string[] {
    return this.all.map((user) => `user ${user.name} ${user.describeForFile()}`)
  }

  /** The sorted ones, to be changed. */
  #ownSorted(): User[] | undefined {
    if (this.#isGiven) this.#sorted = this.#sorted?.slice()
    this.#isGiven = false
    return this.#sorted
  }

  /** Where a name is among the sorted ones, or belongs. */
  #placeOf(name: string): number {
    const sorted = this.#sorted ?? []
    let low = 0
    for (let high = sorted.length; low < high; ) {
      const middle = (low + high) >> 1
      if (sorted[middle].name < name) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Most changes take nothing away, and then the user's clients need not be looked at. */
  #change(known: User, changed: User): void {
    const isNarrower = !changed.mayAllThat(known)
    known.become(changed)
    if (isNarrower) this.judgedRights += this.listener?.onNarrowed(known) ?? 0
  }

  #new(name: string): User {
    return new User(name, this.#catalogue, this.#allChannels)
  }

  #open(): User {
    const user = this.#new(DEFAULT_USER)
    for (const rule of OPEN) user.apply(rule)
    return user
  }

  /** @returns what is wrong with a line of an ACL file; empty if nothing is */
  #loadLine(users: Map<string, User>, line: string, place: string, number: number): string {
    const [keyword, name, ...args] = line.split(' ')
    if (keyword !== 'user' || name === undefined) {
      return `${place} should start with user keyword followed by the username. `
    }
    if (hasBlank(name)) return `'${place}: username '${name}' contains invalid characters. `
    if (users.has(name)) return `WARNING: Duplicate user '${name}' found on line ${number}. `
    const user = this.#new(name)
    users.set(name, user)
    let rules: string[]
    try {
      rules = mergeSelectors(args)
    } catch (error) {
      if (!(error instanceof UnmatchedParenthesis)) throw error
      return `${place}: Unmatched parenthesis in selector definition.`
    }
    let errors = ''
    let told = false
    for (const rule of rules.map((each) => savedRule(trim(each, '\t\r\n')))) {
      try {
        user.apply(rule)
      } catch (error) {
        if (!(error instanceof RuleError)) throw error
        // A rule is quoted only if it cannot be a password. One error without a rule is enough.
        if (error.kind === 'unknown') {
          errors += `${place}: Error in applying operation '${ruleText(rule)}': ${error.message}. `
        } else if (!told) {
          errors += `${place}: ${error.message}. `
          told = true
        }
      }
    }
    return errors
  }
}

/** @throws UsersError naming the rule, as ACL SETUSER answers */
function applyRules(user: User, args: readonly string[]): void {
  try {
    for (const rule of mergeSelectors(args)) {
      try {
        user.apply(rule)
      } catch (error) {
        if (!(error instanceof RuleError)) throw error
        throw new UsersError(`Error in ACL SETUSER modifier '${ruleText(rule)}': ${error.message}`)
      }
    }
  } catch (error) {
    throw error instanceof UnmatchedParenthesis ? new UsersError(error.message) : error
  }
}
