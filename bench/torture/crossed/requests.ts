import type { Argument } from '../../../src/request/arguments/argument.ts'
import type { Command } from '../../../src/request/command.ts'
import { leavesOf, ONLY_WRONG, Shape } from '../generated.ts'
import type { Request } from '../request.ts'
import type { Places } from './state.ts'

/** Requests that are sent over and over, in turn. */
export interface Form {
  readonly command: string
  readonly turns: readonly Request[]
  /** Has no place in a transaction. */
  readonly outside?: boolean
  /** Waits outside of a transaction. */
  readonly inside?: boolean
}

/** Requests that end their connection or its replies, or all others' service, by design. */
const LEFT_OUT = new Set([
  ...ONLY_WRONG,
  ...[
    'client pause',
    'client kill',
    'debug',
    'reset',
    'exec',
    'discard',
    'swapdb',
    'config rewrite',
  ],
])
const OUTSIDE = new Set(['multi', 'watch', 'unwatch', 'auth', 'hello', 'save'])
const INSIDE = new Set(['kwait', 'ksync', 'wait'])
const MOST_OPTIONS = 4

const WORDS: Readonly<Record<string, string>> = {
  'auth username': 'u1',
  'auth password': 'p',
  username: 'u1',
  category: 'read',
  command: 'get',
  'command-name': 'get',
  'config set parameter': 'slowlog-log-slower-than',
  'config set value': '10000',
  count: '100',
  cursor: '0',
  rule: '+get',
  seconds: '1000',
  milliseconds: '1000000',
  timeout: '1',
  section: 'everything',
  event: 'command',
  'getrange end': '-1',
  'substr end': '-1',
  ttl: '0',
}

type Pick = keyof Places

/** The short right requests of a command, each with its keys at one of some places. */
function* formsOf(command: Command, name: string, places: Places): Generator<Form> {
  const tree = command.group === 'tree' ? '/' : ''
  const args = command.args ?? []
  const keyed = leavesOf(args).some(({ arg }) => arg.type === 'key' || arg.name === 'channel')
  const shapeAt = (pick: Pick): Shape => {
    let keys = 0
    return new Shape(name, args, (arg: Argument) => {
      // The second key of RENAME and COPY is one that is not there.
      if (arg.type === 'key') return `${tree}${places[keys++ % 2 === 0 ? pick : 'missing']}`
      if (arg.name === 'channel') return name.startsWith('k') ? `/${places[pick]}` : 'cp7'
      if (arg.type === 'pattern') return name === 'psubscribe' ? `/${places[pick]}*` : `*${'5'}`
      return WORDS[`${name} ${arg.name}`] ?? WORDS[arg.name]
    })
  }
  const outside = OUTSIDE.has(name)
  const inside = INSIDE.has(name)
  const form = (request: Request): Form => ({ command: name, turns: [request], outside, inside })
  const picks: readonly Pick[] = keyed
    ? ['directory', 'file', 'missing', 'parent', 'deep']
    : ['directory']
  for (const pick of picks) yield form(shapeAt(pick).request())
  let options = 0
  for (const leaf of leavesOf(args)) {
    if (!leaf.way.some(({ optional }) => optional === true)) continue
    for (const pick of picks.slice(0, 2)) yield form(shapeAt(pick).request(leaf))
    if (++options === MOST_OPTIONS) break
  }
}

function* ofCommand(command: Command, name: string, places: Places): Generator<Form> {
  if (command.run !== undefined && !LEFT_OUT.has(name)) yield* formsOf(command, name, places)
  for (const subcommand of command.subcommands ?? []) {
    yield* ofCommand(subcommand, `${name} ${subcommand.name}`, places)
  }
}

/** Short right forms of all commands, with the same request only once. */
export function* singleForms(table: readonly Command[], places: Places): Generator<Form> {
  const known = new Set<string>()
  for (const command of table) {
    for (const form of ofCommand(command, command.name, places)) {
      const text = form.turns[0].join(' ')
      if (!known.has(text)) yield form
      known.add(text)
    }
  }
}

const readsOf = (d: string, missing: string): Request[] => [
  ['KGET', `/${d}`],
  ['KGET', `/${d}`, 'RECURSIVE', 'SORTED'],
  ['KSAVE'],
  ['KEYS', `${d}/*9`],
  ['KEYS', `${d}/none*`],
  ['SCAN', '0', 'COUNT', '1000'],
  ['SCAN', '0', 'MATCH', `*zz*`, 'COUNT', '1000'],
  ['RANDOMKEY'],
  ['DBSIZE'],
  ['MEMORY', 'USAGE', d],
  ['MEMORY', 'USAGE', d, 'SAMPLES', '0'],
  ['MEMORY', 'STATS'],
  ['INFO', 'everything'],
  ['KSTATS'],
  ['KWAIT', `/${d}`, 'RECURSIVE', 'SINCE', '1', 'TIMEOUT', '1'],
  ['KWAIT', `/${missing}`, 'SINCE', '1', 'TIMEOUT', '1'],
  ['SUBSCRIBE', `/${d}?recursive=true`],
  ['SUBSCRIBE', `/${missing}?since=1`],
  ['PSUBSCRIBE', `/${d}/*zz`],
  ['PUBSUB', 'CHANNELS', '*zz'],
  ['CLIENT', 'LIST', 'ID', '1'],
  ['ACL', 'LIST'],
  ['BGSAVE'],
  ['TYPE', missing],
  ['OBJECT', 'ENCODING', missing],
]

/** Requests in turn: a write and what it makes a read do anew, or two that undo each other. */
export function* pairs({ parent, directory: d, file, missing, deep }: Places): Generator<Form> {
  const pair = (...turns: readonly Request[]): Form => ({
    command: turns.map(([word]) => String(word).toLowerCase()).join(' '),
    turns,
  })
  for (const read of readsOf(d, missing)) {
    const inside = read[0] === 'KWAIT'
    yield { ...pair(['SET', file, 'v'], read), inside }
    yield { ...pair(['SET', missing, 'v'], read, ['DEL', missing]), inside }
  }
  yield pair(['KMKDIR', `/${missing}`], ['KDEL', `/${missing}`, 'DIR'])
  yield pair(['KMKDIR', `/${missing}`, 'EX', '100'], ['KDEL', `/${missing}`, 'RECURSIVE'])
  yield pair(['KMKDIR', `/${missing}`], ['KGET', `/${d}`], ['KDEL', `/${missing}`, 'DIR'])
  yield pair(['SET', missing, 'v'], ['DEL', missing])
  yield pair(['SET', `${missing}/x/y`, 'v'], ['KDEL', `/${missing}`, 'RECURSIVE'])
  yield pair(['SET', missing, 'v', 'PX', '1'], ['KGET', `/${missing}`])
  yield pair(['SET', missing, 'v', 'PXAT', '1'], ['DBSIZE'])
  yield pair(['PEXPIRE', file, '1000000'], ['PERSIST', file])
  yield pair(['PEXPIRE', file, '1000000'], ['PEXPIRE', file, '2000000'])
  yield pair(['PEXPIRE', file, '-1'], ['SET', file, 'v'])
  yield pair(['KUPDATE', `/${d}`, '', 'EX', '1000'], ['KUPDATE', `/${d}`, ''])
  yield pair(['KUPDATE', `/${d}`, '', 'EX', '1000'], ['TTL', file])
  yield pair(['RENAME', d, 'other'], ['RENAME', 'other', d])
  yield pair(['RENAME', parent, 'other'], ['RENAME', 'other', parent])
  yield pair(['RENAME', file, missing], ['RENAME', missing, file])
  yield pair(['RENAME', file, `${missing}/x`], ['RENAME', `${missing}/x`, file])
  yield pair(['RENAMENX', d, parent], ['RENAMENX', file, d])
  yield pair(['RENAME', 'nothing', d], ['SET', d, 'v'])
  yield pair(['COPY', file, missing, 'REPLACE'], ['DEL', missing])
  yield pair(['SUBSCRIBE', `/${d}?recursive=true`], ['UNSUBSCRIBE', `/${d}?recursive=true`])
  yield pair(['SUBSCRIBE', `/${d}?recursive=true&since=1`], ['UNSUBSCRIBE'])
  yield pair(['SUBSCRIBE', `/${deep}?since=1`], ['UNSUBSCRIBE', `/${deep}?since=1`])
  yield pair(['SUBSCRIBE', 'cp5'], ['UNSUBSCRIBE', 'cp5'])
  yield pair(['SUBSCRIBE', 'cp5'], ['UNSUBSCRIBE'])
  yield pair(['SUBSCRIBE', 'cp5'], ['PUBLISH', 'cp5', 'm'], ['UNSUBSCRIBE', 'cp5'])
  yield pair(['PSUBSCRIBE', `/${d}/*`], ['PUNSUBSCRIBE', `/${d}/*`])
  yield pair(['PSUBSCRIBE', `/${d}/*`], ['PUNSUBSCRIBE'])
  yield pair(['PSUBSCRIBE', '*x*'], ['PUNSUBSCRIBE', '*x*'])
  yield pair(['PSUBSCRIBE', '*x*'], ['PUBLISH', 'cp5', 'm'], ['PUNSUBSCRIBE', '*x*'])
  yield pair(['PSUBSCRIBE', `/${d}/*[x]`], ['SET', file, 'v'], ['PUNSUBSCRIBE', `/${d}/*[x]`])
  yield pair(['PSUBSCRIBE', `/${d}/*[x]`], ['RENAME', file, missing], ['RENAME', missing, file])
  yield pair(['KWATCH', `/${d}`], ['KUNWATCH', `/${d}`])
  yield pair(['KWATCH', `/${missing}`], ['SET', missing, 'v'], ['DEL', missing])
  yield pair(['KWATCH', `/${deep}`], ['KUNWATCH'])
  yield pair(['SETRANGE', file, '1000', 'x'], ['GETRANGE', file, '1', '2'])
  yield pair(['APPEND', file, 'x'], ['GETRANGE', file, '-2', '-1'])
  yield pair(['APPEND', file, 'x'], ['GET', file])
  yield pair(['APPEND', file, 'x'], ['DUMP', file])
  yield pair(['APPEND', file, 'x'], ['OBJECT', 'ENCODING', file])
  yield pair(['APPEND', file, 'x'], ['COPY', file, missing, 'REPLACE'])
  yield pair(['SET', file, '1'], ['INCR', file])
  yield pair(['INCR', missing], ['DEL', missing])
  yield pair(['KCREATE', `/${missing}`, 'v'], ['KCAD', `/${missing}`, 'PREVVALUE', 'v'])
  yield pair(['KCREATE', `/${d}`, 'v', 'UNIQUE'], ['KINDEX'])
  yield pair(['KMKDIR', `/${d}`, 'UNIQUE'], ['KINDEX'])
  yield pair(['KMKDIR', `/${d}`, 'UNIQUE', 'PX', '1'], ['KGET', `/${d}`])
  yield pair(['KSET', `/${file}`, 'v', 'EX', '100'], ['KSET', `/${file}`, '', 'EX', '9', 'REFRESH'])
  yield pair(
    ['KCAS', `/${file}`, 'v', 'PREVVALUE', 'w'],
    ['KCAS', `/${file}`, 'w', 'PREVVALUE', 'v'],
  )
  yield pair(['MSETNX', missing, 'v', file, 'v'], ['MGET', d, file, missing, deep])
  yield pair(['KDEL', `/${d}`, 'DIR'], ['KDEL', `/${d}`])
  yield pair(['SET', file, 'v'], ['KDEL', `/${d}`, 'DIR'])
  yield pair(['KDEL', `/${d}`, 'RECURSIVE'], ['SET', file, 'v'])
  yield pair(['FLUSHALL'], ['SET', file, 'v'])
  yield pair(['GETDEL', file], ['SET', file, 'v'])
  yield pair(['ACL', 'SETUSER', 'u1', '+get'], ['ACL', 'SETUSER', 'u1', '-get'])
  yield pair(['ACL', 'SETUSER', 'u1', '+get'], ['GET', file])
  yield pair(['ACL', 'SETUSER', 'u1', '&c'], ['ACL', 'LIST'])
  yield pair(['ACL', 'SETUSER', 'u1', '~z'], ['ACL', 'GETUSER', 'u1'])
  yield pair(['ACL', 'SETUSER', 'new'], ['ACL', 'DELUSER', 'new'])
  yield pair(['ACL', 'SETUSER', 'new'], ['ACL', 'USERS'], ['ACL', 'DELUSER', 'new'])
  yield pair(['ACL', 'DRYRUN', 'u1', 'mget', d, file, missing], ['ACL', 'WHOAMI'])
  yield pair(['AUTH', 'u1', 'p'], ['SET', file, 'v'], ['AUTH', 'u1', 'wrong'])
  yield pair(['ACL', 'LOG'], ['AUTH', 'u1', 'wrong'])
  yield pair(['SLOWLOG', 'GET'], ['SLOWLOG', 'LEN'], ['SET', file, 'v'])
  yield pair(['CLIENT', 'SETNAME', 'a'], ['CLIENT', 'LIST'])
  yield pair(['CLIENT', 'SETNAME', 'a'], ['CLIENT', 'INFO'], ['CLIENT', 'KILL', 'ID', '999999'])
  yield pair(['CLIENT', 'KILL', 'USER', 'u1', 'SKIPME', 'yes'], ['CLIENT', 'LIST', 'ID', '1', '2'])
  yield pair(['CLIENT', 'NO-EVICT', 'on'], ['CLIENT', 'NO-EVICT', 'off'])
  yield pair(
    ['CONFIG', 'SET', 'watch-history', '5000'],
    ['CONFIG', 'SET', 'watch-history', '9000000'],
  )
  yield pair(
    ['CONFIG', 'SET', 'notify-keyspace-events', 'KEA'],
    ['CONFIG', 'SET', 'notify-keyspace-events', ''],
  )
  yield pair(['CONFIG', 'SET', 'maxclients', '9000'], ['CONFIG', 'SET', 'maxclients', '9001'])
  yield pair(
    ['CONFIG', 'SET', 'slowlog-max-len', '10'],
    ['CONFIG', 'SET', 'slowlog-max-len', '50000'],
  )
  yield pair(['CONFIG', 'SET', 'maxmemory', '20gb'], ['SET', file, 'v'])
  yield pair(['CONFIG', 'SET', 'latency-monitor-threshold', '1'], ['LATENCY', 'DOCTOR'])
  yield pair(['CONFIG', 'SET', 'timeout', '1000'], ['CONFIG', 'SET', 'timeout', '0'])
  yield pair(['PEXPIRE', d, '1'], ['SET', file, 'v'])
  yield pair(['EXPIRE', d, '1000'], ['PERSIST', d], ['TTL', d])
  yield { ...pair(['WATCH', file, d, missing], ['SET', file, 'v']), outside: true }
  yield { ...pair(['WATCH', missing], ['UNWATCH']), outside: true }
  yield {
    ...pair(['WATCH', d], ['MULTI'], ['SET', file, 'v'], ['KGET', `/${d}`], ['EXEC']),
    outside: true,
  }
  yield { ...pair(['MULTI'], ['KGET', `/${d}`], ['DISCARD']), outside: true }
}

const bare = (word: string | Buffer): string => String(word).replace(/^\//, '')

/** The same for Redis, as near as it comes. @returns undefined if there is nothing like it */
export function translate(request: Request): Request | undefined {
  const [word, first, ...rest] = request
  switch (String(word).toLowerCase()) {
    case 'kget':
      return ['GET', bare(first)]
    case 'kset':
    case 'kcas':
    case 'kupdate':
      return ['SET', bare(first), rest[0]]
    case 'kcreate':
      return ['SET', bare(first), rest[0], 'NX']
    case 'kdel':
    case 'kcad':
      return ['DEL', bare(first)]
    case 'kmkdir':
      return ['SET', bare(first), 'v']
    case 'kindex':
    case 'kstats':
      return ['DBSIZE']
    case 'kwatch':
      return ['SUBSCRIBE', `__keyspace@0__:${bare(first)}`]
    case 'kunwatch':
      return first === undefined
        ? ['UNSUBSCRIBE']
        : ['UNSUBSCRIBE', `__keyspace@0__:${bare(first)}`]
    default:
      return String(word).toLowerCase().startsWith('k') && String(word).toLowerCase() !== 'keys'
        ? undefined
        : request
  }
}
