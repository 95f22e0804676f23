import { commandTable } from '../../src/commands/table.ts'
import type { Argument } from '../../src/request/arguments/argument.ts'
import type { Command } from '../../src/request/command.ts'
import { LARGE_VALUE_BYTES } from '../../src/store/value.ts'
import type { SeededRandom } from '../persistence/seeded-random.ts'

/** What would end the connection, the server or the comparison, or change who may do what. */
const LEFT_OUT = new Set([
  ...['quit', 'shutdown', 'monitor', 'debug', 'auth', 'hello', 'reset', 'multi', 'exec', 'discard'],
  ...[
    'client|reply',
    'client|kill',
    'client|pause',
    'config|set',
    'config|rewrite',
    'wait',
    'save',
  ],
  ...[
    'acl|setuser',
    'acl|deluser',
    'acl|load',
    'acl|save',
    'acl|log',
    'memory|purge',
    'kwait',
    'ksync',
  ],
  ...['slowlog|reset', 'latency|doctor', 'info', 'lolwut', 'memory|doctor', 'memory|stats'],
])

interface Callable {
  readonly words: readonly string[]
  readonly command: Command
}

const callable: readonly Callable[] = commandTable.flatMap((command) => {
  const own = command.run === undefined ? [] : [{ words: [command.name], command }]
  const subcommands = (command.subcommands ?? []).map((subcommand) => ({
    words: [command.name, subcommand.name],
    command: subcommand,
  }))
  return [...own, ...subcommands].filter(({ words }) => !LEFT_OUT.has(words.join('|')))
})

/** What reaches further than its keys, or tells of more than them, comes most often. */
const far = callable.filter(
  ({ command: { reach, group } }) =>
    group === 'tree' || (reach !== undefined && reach !== 'node' && reach !== 'nothing'),
)
/** They move many nodes from one border to another, and so come more often than one of forty. */
const moves = callable.filter(({ command }) => command.name.startsWith('rename'))
/** Then what has keys or channels. */
const telling = callable.filter(
  ({ command: { keys, channels } }) => keys !== undefined || channels !== undefined,
)

const DIRECTORIES = ['a', 'b', 'd', 'a/b', 'b/_h', 'd/e', 'ab']
const NAMES = ['x', 'y', '_z', 'a', 'b']

/** Paths that a user's rules are about: their borders are where mistakes would be. */
let favourites: readonly string[] = []

/** @param globs patterns of keys, clean */
export function favour(globs: readonly string[]): void {
  const literal = globs.map((glob) => glob.replace(/\/?[*?].*$/, '') || '/')
  const above = literal.map((path) => path.replace(/\/[^/]*$/, '') || '/')
  const below = literal.map((path) => `${path === '/' ? '' : path}/x`)
  favourites = [...literal, ...literal, ...literal, ...above, ...below]
}

function favourite(random: SeededRandom): string {
  return favourites.length > 0 ? random.oneOf(favourites) : anyPath(random)
}

/** A clean path of the small tree that everything happens in. */
export function anyPath(random: SeededRandom): string {
  if (favourites.length > 0 && random.next() < 0.65) return random.oneOf(favourites)
  const kind = random.between(0, 9)
  if (kind === 0) return '/'
  if (kind < 4) return `/${random.oneOf(DIRECTORIES)}`
  return `/${random.oneOf(DIRECTORIES)}/${random.oneOf(NAMES)}`
}

/** So many that the path is a large argument, which the server keeps in another form. */
const LONG_WAY = './'.repeat(LARGE_VALUE_BYTES / 2)

/** The same path in other words. */
export function spelled(path: string, random: SeededRandom): string {
  const parts = path.slice(1).split('/')
  const ways = [
    path.slice(1),
    path,
    `/${path}`,
    `.${path}`,
    `x/..${path}`,
    `../..${path}`,
    `${path}/`,
    `${path}/.`,
    `${path}/x/..`,
    parts.join('//'),
    `/${parts.join('/./')}`,
    `/a/b/../..${path}`,
    `/${LONG_WAY}${path}`,
  ]
  return random.next() < 0.5 ? path.slice(1) : random.oneOf(ways)
}

export function treeChannel(random: SeededRandom, index: number): string {
  const recursive = random.next() < 0.5 ? 'recursive=true' : ''
  const since = random.next() < 0.5 ? `since=${random.between(1, index + 1)}` : ''
  const options = [recursive, since].filter((each) => each !== '').join('&')
  const path = spelled(anyPath(random), random).replace(/^\/*/, '/')
  return options === '' ? path : `${path}?${options}`
}

export const TREE_PATTERNS = [
  '/*',
  '/a*',
  '/a/*',
  '/d/e/*',
  '/a/../d/*',
  '/b/?',
  '/a/x',
  '/[ad]/*',
  '/\\a/*',
]
export const CHANNELS = ['news', '__keyevent@0__:set', '__keyevent@0__:del', '__keyspace@0__:a/x']
export const PATTERNS = ['__key*', 'n*', ...TREE_PATTERNS]

const WORDS = ['v', '1', '', '7', 'GET', 'x']

function argument(arg: Argument, random: SeededRandom): string[] {
  if (arg.optional === true && random.next() < 0.5) return []
  const count = arg.multiple === true ? random.between(1, 3) : 1
  const values = Array.from({ length: count }, () => value(arg, random)).flat()
  return arg.token === undefined || arg.type === 'pure-token' ? values : [arg.token, ...values]
}

function value(arg: Argument, random: SeededRandom): string[] {
  switch (arg.type) {
    case 'key':
      return [spelled(anyPath(random), random)]
    case 'pure-token':
      return [arg.token ?? '']
    case 'oneof':
      return argument(random.oneOf(arg.args ?? []), random)
    case 'block':
      return (arg.args ?? []).flatMap((each) => argument(each, random))
    case 'integer':
      // Small, so that what is given a TTL has expired after a while.
      return [String(random.oneOf([0, 1, 2, -1, 5, 1000]))]
    case 'unix-time':
      return [String(random.oneOf([1, 4_000_000_000, 4_000_000_000_000]))]
    case 'double':
      return ['1.5']
    case 'pattern':
      return [random.oneOf(['*', 'a*', 'd/*', ...PATTERNS])]
    default:
      return [random.oneOf(WORDS)]
  }
}

/** Any request of the whole table. */
export function anyRequest(random: SeededRandom, index: number): string[] {
  const kind = random.next()
  const { words, command } = random.oneOf(
    kind < 0.06 ? moves : kind < 0.6 ? far : kind < 0.93 ? telling : callable,
  )
  const head = random.next() < 0.5 ? words : words.map((word) => word.toUpperCase())
  if (command.name.startsWith('rename')) {
    const [from, to] = [favourite(random), favourite(random)]
    return [...head, spelled(from, random), spelled(to, random)]
  }
  if (command.channels === 'listen') return [...head, treeChannel(random, index)]
  // A client may publish what looks like a notification: that is no word of the server's.
  if (command.channels === 'publish') return [...head, random.oneOf(['news', 'other']), 'hello']
  return [...head, ...(command.args ?? []).flatMap((arg) => argument(arg, random))]
}
