import { READ, type Selector } from '../access/selector.ts'
import type { User } from '../access/user.ts'
import { pathOfKey } from '../keyspace/key.ts'
import { isTreeChannel, parseTreeChannel, type TreeChannelName } from '../pubsub/tree-channel.ts'
import { cleanPath, firstComponent, isProper } from '../store/path.ts'
import type { Store } from '../store/store.ts'
import type { Value } from '../store/value.ts'
import type { CommandAccess, Reach } from './command-access.ts'
import type { Denial } from './denial.ts'
import { triesFor, triesOf } from './search.ts'
import { wordsOf } from './value-places.ts'

/** In Redis's order: of several selectors' denials the last of these is told. */
const RANK = { command: 1, key: 2, channel: 3 } as const
const NO_COMMAND: Denial = { kind: 'command', at: 0, below: false }
const NOT_ALL: Denial = { kind: 'key', at: 0, below: true }

/**
 * Finds out whether a user may make a request: whether one of its selectors allows the command, and
 * all keys and channels that it uses.
 *
 * @param args the request, the command's name first
 * @param store is asked what stands at a key, where it makes a difference
 * @returns undefined if it may
 */
export function denialOf(
  user: User,
  access: CommandAccess,
  args: readonly Value[],
  store: Store,
): Denial | undefined {
  if (user.unrestricted || allowsOneKey(user, access, args)) return undefined
  return denialOfAsked(user, new Asked(access, wordsOf(args), store))
}

/**
 * Like {@link denialOf}, if a directory stood at one of the keys.
 *
 * @returns undefined also if the request reaches no further then
 */
export function denialAtDirectory(
  user: User,
  access: CommandAccess,
  args: readonly Value[],
): Denial | undefined {
  if (user.unrestricted || allowsOneKey(user, access, args)) return undefined
  const asked = new Asked(access, wordsOf(args), undefined)
  return asked.reach === 'directory' ? denialOfAsked(user, asked) : undefined
}

/** Why a user may not make a request. */
export interface Denials {
  /** Undefined if it may. */
  readonly now: Denial | undefined
  /** If a directory stood at one of the keys; undefined if it may then, too, or the request reaches no further. */
  readonly atDirectory: Denial | undefined
}

const NO_DENIALS: Denials = { now: undefined, atDirectory: undefined }

/** {@link denialOf} and {@link denialAtDirectory} in one: each pattern is tried once for both. */
export function denialsOf(
  user: User,
  access: CommandAccess,
  args: readonly Value[],
  store: Store,
): Denials {
  if (user.unrestricted || allowsOneKey(user, access, args)) return NO_DENIALS
  const asked = new Asked(access, wordsOf(args), store)
  let now: Denial | undefined
  let atDirectory: Denial | undefined
  let isAllowed = false
  for (const selector of user.selectors) {
    const denial = denialBy(selector, asked)
    if (asked.atDirectory === undefined) return NO_DENIALS
    if (denial === undefined) isAllowed = true
    else now = laterOf(now, denial)
    atDirectory = laterOf(atDirectory, asked.atDirectory)
  }
  return {
    now: isAllowed ? undefined : now,
    atDirectory: asked.reach === 'directory' ? atDirectory : undefined,
  }
}

/** Whether a directory stands at one of the keys of a request. */
export function meetsDirectory(
  access: CommandAccess,
  args: readonly Value[],
  store: Store,
): boolean {
  return reachesBelow('directory', new Asked(access, wordsOf(args), store).keys(), store)
}

function denialOfAsked(user: User, asked: Asked): Denial | undefined {
  let told: Denial | undefined
  for (const selector of user.selectors) {
    const denial = denialBy(selector, asked)
    if (denial === undefined) return undefined
    told = laterOf(told, denial)
  }
  return told
}

/** The most patterns that are tried, over all keys of a request, to find out whether it may be shown. Long keys count more. */
export const MAX_TRIES_TO_SHOW = 200_000

/** How many patterns {@link mayShow} may have to try. */
export function triesToShow(user: User, access: CommandAccess, request: readonly Value[]): number {
  const { length } = request
  const patterns = triesOf(user)
  if (length * patterns > MAX_TRIES_TO_SHOW) return length * patterns
  let characters = 0
  for (const { at } of keyPlaces(access, request)) characters += request[at].length
  for (const at of channelPlaces(access, request)) characters += request[at].length
  return triesFor(patterns, length, characters)
}

/**
 * Whether a request of somebody else may be shown to a user: it may read all that is named there. One
 * that would take too long to judge is not shown, because those who ask are not those who wait.
 */
export function mayShow(user: User, access: CommandAccess, request: readonly Value[]): boolean {
  if (user.unrestricted) return true
  if (triesToShow(user, access, request) > MAX_TRIES_TO_SHOW) return false
  const { selectors } = user
  const args = wordsOf(request)
  if (access.reach === 'all') return selectors.some((each) => each.allowsBelow('/', READ))
  for (const { at } of keyPlaces(access, args)) {
    if (!selectors.some((each) => allowsNode(each, args[at], READ))) return false
  }
  const isPattern = access.channels === 'patterns'
  for (const at of channelPlaces(access, args)) {
    if (!selectors.some((each) => allowsChannel(each, args[at], isPattern))) return false
  }
  return true
}

/** Whether a user may go on listening to a channel, or to a pattern of channels. */
export function mayListen(user: User, channel: string, isPattern: boolean): boolean {
  if (user.unrestricted) return true
  return user.selectors.some((selector) => allowsChannel(selector, channel, isPattern))
}

/** Whether a user may know of a key, by the key as somebody has written it. */
export function mayReadKey(user: User, key: string): boolean {
  return user.unrestricted || user.selectors.some((selector) => allowsNode(selector, key, READ))
}

/** Whether a request is of the most frequent kind, and allowed: GET and SET have to stay fast. */
function allowsOneKey(user: User, access: CommandAccess, args: readonly Value[]): boolean {
  const { oneKey, oneKeyLength } = access
  if (oneKey === 0 || (oneKeyLength !== 0 && args.length !== oneKeyLength)) return false
  const key = args[oneKey]
  if (typeof key !== 'string') return false
  const start = firstComponent(key)
  return isPlain(key, start) && user.allowsOneKey(access.id, key, start, access.oneKeyAccess)
}

/** Whether a key is clean as it stands. Most have one component, for which a search will do. */
function isPlain(key: string, start: 0 | 1): boolean {
  if (key.length > 2 && start === 0 && !key.includes('/')) return true
  return isProper(key, start)
}

/** The one that is told of two selectors' denials. */
function laterOf(told: Denial | undefined, denial: Denial): Denial {
  if (told === undefined || RANK[denial.kind] > RANK[told.kind]) return denial
  return denial.kind === told.kind && denial.at > told.at ? denial : told
}

/** What a request asks for; what takes long to find out is found out once for all selectors. */
class Asked {
  readonly access: CommandAccess
  readonly args: readonly string[]
  readonly reach: Reach | undefined
  /** What is done with each key, if that depends on the request. */
  readonly bits: number | undefined
  /** Why the selector that was asked last denies it if a directory stands at one of the keys. */
  atDirectory: Denial | undefined
  readonly #store: Store | undefined
  #reachesBelow: boolean | undefined

  /** @param store absent if a directory is taken to stand at each key */
  constructor(access: CommandAccess, args: readonly string[], store: Store | undefined) {
    this.access = access
    this.args = args
    this.reach = typeof access.reach === 'function' ? access.reach(args) : access.reach
    this.bits = access.accessOf?.(args)
    this.#store = store
  }

  /** Whether it reaches what is below its keys. The tree is asked only if it makes a difference. */
  get reachesBelow(): boolean {
    this.#reachesBelow ??=
      this.#store === undefined || reachesBelow(this.reach, this.keys(), this.#store)
    return this.#reachesBelow
  }

  *keys(): Generator<string> {
    for (const { at } of keyPlaces(this.access, this.args)) yield this.args[at]
  }
}

/** Why a selector denies a request. Also sets {@link Asked.atDirectory}. */
function denialBy(selector: Selector, asked: Asked): Denial | undefined {
  asked.atDirectory = undefined
  const denial = ownDenialBy(selector, asked)
  asked.atDirectory ??= denial
  return denial
}

function ownDenialBy(selector: Selector, asked: Asked): Denial | undefined {
  const { access, args } = asked
  if (!access.open && !selector.allowsCommand(access.id, args)) return NO_COMMAND
  if (!selector.allKeys) {
    if (access.reach === 'all') {
      if (!selector.allowsBelow('/', access.accessToAll)) return NOT_ALL
    } else if (access.keys.length > 0) {
      const denial = keyDenial(selector, asked)
      if (denial !== undefined) return denial
    }
  }
  if (access.channels === undefined) return undefined
  const isPattern = access.channels === 'patterns'
  for (const at of channelPlaces(access, args)) {
    if (!allowsChannel(selector, args[at], isPattern)) return { kind: 'channel', at, below: false }
  }
  return undefined
}

function keyDenial(selector: Selector, asked: Asked): Denial | undefined {
  const { access, args, reach, bits } = asked
  for (const { at, access: declared } of keyPlaces(access, args)) {
    const wanted = bits ?? declared
    if (reach !== 'below' && !allowsNode(selector, args[at], wanted)) {
      return { kind: 'key', at, below: false }
    }
    if (reach === undefined || reach === 'node' || asked.atDirectory !== undefined) continue
    if (allowsBelow(selector, args[at], wanted)) continue
    asked.atDirectory = { kind: 'key', at, below: true }
    if (asked.reachesBelow) return asked.atDirectory
  }
  return undefined
}

/** Whether a request reaches what is below its keys. */
function reachesBelow(reach: Reach | undefined, keys: Iterable<string>, store: Store): boolean {
  if (reach === 'subtree' || reach === 'below') return true
  for (const key of keys) {
    const dir = nodeAt(store, key)?.dir
    if (reach === 'directory' && dir === true) return true
    if (reach === 'unless-file' && dir !== false) return true
  }
  return false
}

function nodeAt(store: Store, key: string): ReturnType<Store['lookup']> {
  const path = cleanPathOfKey(key)
  return path === undefined ? undefined : store.lookup(path)
}

/** Where the keys of a request stand, and what is done with each. Most are never looked at. */
function* keyPlaces(
  { keys }: CommandAccess,
  args: readonly Value[],
): Generator<{ at: number; access: number }, void> {
  for (const { first, last, step, access } of keys) {
    const end = Math.min(last < 0 ? args.length + last : last, args.length - 1)
    for (let at = first; at <= end; at += step) yield { at, access }
  }
}

function* channelPlaces(
  { channels }: CommandAccess,
  { length }: readonly Value[],
): Generator<number, void> {
  if (channels === undefined) return
  const end = channels === 'publish' ? 2 : length
  for (let at = 1; at < end; at++) yield at
}

function allowsNode(selector: Selector, key: string, access: number): boolean {
  const start = firstComponent(key)
  if (isPlain(key, start)) return selector.allowsKey(key, start, access)
  const path = cleanPathOfKey(key)
  return path !== undefined && selector.allowsKey(path, 1, access)
}

function allowsBelow(selector: Selector, key: string, access: number): boolean {
  const path = cleanPathOfKey(key)
  return path !== undefined && selector.allowsBelow(path, access)
}

/** The path that a key stands for, clean; undefined if it is longer than a path can be. */
export function cleanPathOfKey(key: string): string | undefined {
  try {
    return cleanPath(pathOfKey(key))
  } catch {
    return undefined
  }
}

/** A tree channel is a read of its path; `&` patterns are about the other ones. */
function allowsChannel(selector: Selector, channel: string, isPattern: boolean): boolean {
  if (!isTreeChannel(channel)) return selector.allowsChannel(channel, isPattern)
  if (isPattern) return selector.allowsTreePattern(channel)
  const tree = parsed(channel)
  if (tree === undefined) return true
  const { path, recursive } = tree
  return selector.allowsKey(path, 1, READ) && (!recursive || selector.allowsBelow(path, READ))
}

/** Undefined for a channel that is refused anyway: that nobody can listen or publish to. */
function parsed(channel: string): TreeChannelName | undefined {
  try {
    return parseTreeChannel(channel)
  } catch {
    return undefined
  }
}
