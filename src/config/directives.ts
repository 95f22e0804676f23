import type { Directive, ValueOf } from './directive-value.ts'

const MB = 1024 ** 2
const MAX_INT = 2 ** 31 - 1

/** Every directive: the conf file, `--help`, CONFIG and the documentation come from here. */
export const directives = {
  bind: {
    group: 'Network',
    type: 'list',
    default: ['127.0.0.1', '-::1'],
    mutable: false,
    help: 'Addresses to listen on; with a - it may fail',
    comment:
      '127.0.0.1 and ::1 are this machine; * stands for all IPv4 addresses, ::* for all IPv6 addresses. An address that begins with - is left out where the machine does not have it; any other that cannot be listened on stops the start.',
  },
  port: {
    group: 'Network',
    type: 'integer',
    min: 0,
    max: 65535,
    default: 6379,
    mutable: false,
    help: 'TCP port to listen on; 0 for none',
  },
  unixsocket: {
    group: 'Network',
    type: 'string',
    default: '',
    mutable: false,
    help: 'Path of a Unix socket; empty for none',
  },
  unixsocketperm: {
    group: 'Network',
    type: 'integer',
    octal: true,
    min: 0,
    max: 0o777,
    default: 0,
    mutable: false,
    help: "Octal mode of that socket; 0 for the umask's",
  },
  'protected-mode': {
    group: 'Network',
    type: 'boolean',
    default: true,
    mutable: true,
    help: 'Without a password, local clients only',
    comment: 'Clients from other machines are refused while requirepass is empty.',
  },
  'enable-debug-command': {
    group: 'Network',
    type: 'enum',
    values: ['no', 'yes', 'local'],
    default: 'no',
    mutable: false,
    help: 'Who may use DEBUG: no, yes (all) or local',
  },
  'tcp-backlog': {
    group: 'Network',
    type: 'integer',
    min: 0,
    max: MAX_INT,
    default: 511,
    mutable: false,
    help: 'Connections that may wait to be accepted',
    comment: 'The kernel caps it silently; on Linux see net.core.somaxconn.',
  },
  'tcp-keepalive': {
    group: 'Network',
    type: 'integer',
    min: 0,
    max: MAX_INT,
    default: 300,
    mutable: true,
    help: 'Seconds of silence before a probe; 0 for none',
    comment: 'Finds peers that are gone without a word. A change is for new connections.',
  },
  timeout: {
    group: 'Network',
    type: 'integer',
    min: 0,
    max: MAX_INT,
    default: 0,
    mutable: true,
    help: 'Seconds an idle client is kept; 0: for ever',
    comment: 'Clients that watch, subscribe or wait are not idle.',
  },
  requirepass: {
    group: 'Clients',
    type: 'string',
    default: '',
    mutable: true,
    secret: true,
    help: 'Password for AUTH; empty for none',
    comment: 'A client can try thousands of passwords a second, so take a long one.',
  },
  maxclients: {
    group: 'Clients',
    type: 'integer',
    min: 1,
    max: 2 ** 32 - 1,
    default: 10000,
    mutable: true,
    help: 'Clients connected at one time',
    comment: 'Further ones get an error and are disconnected.',
  },
  databases: {
    group: 'Clients',
    type: 'integer',
    min: 1,
    max: 1,
    default: 1,
    mutable: false,
    help: 'Databases for SELECT; there is one tree',
  },
  'proto-max-bulk-len': {
    group: 'Limits',
    type: 'memory',
    min: MB,
    max: 256 * MB,
    default: 64 * MB,
    mutable: true,
    help: 'Size of the largest argument',
  },
  'client-query-buffer-limit': {
    group: 'Limits',
    type: 'memory',
    min: MB,
    max: Number.MAX_SAFE_INTEGER,
    default: 128 * MB,
    mutable: true,
    help: 'Size of the largest request',
    comment: 'All arguments together. A client that sends more is disconnected.',
  },
  'client-output-buffer-limit': {
    group: 'Limits',
    type: 'output-limits',
    default: {
      normal: { hard: 0, soft: 0, seconds: 0 },
      slave: { hard: 256 * MB, soft: 64 * MB, seconds: 60 },
      pubsub: { hard: 32 * MB, soft: 8 * MB, seconds: 60 },
    },
    mutable: true,
    help: 'Unread output at which a client is cut off',
    comment:
      'Written <class> <hard> <soft> <seconds>: a client is disconnected at once above the hard limit, or after so many seconds above the soft one; 0 switches a limit off. The class pubsub is clients that watch or subscribe, normal all others. The class replica (or slave) is accepted and shown for the sake of Redis tools and has no effect. Several classes may stand on one line; a class that is not named keeps its limits.',
  },
  maxmemory: {
    group: 'Limits',
    type: 'memory',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    default: 0,
    mutable: true,
    help: 'Memory to use at the most; 0 for no limit',
    comment:
      'What is counted is the whole heap of the process, about 20mb of it its own and all of watch-history with it. Writes that may take more memory are answered by an error then, all others are served, and nothing is evicted. It is measured every second and as the tree grows, so that it may be exceeded by a little.',
  },
  'maxmemory-policy': {
    group: 'Limits',
    type: 'enum',
    values: ['noeviction'],
    default: 'noeviction',
    mutable: true,
    help: 'What is evicted above maxmemory: nothing',
  },
  'watch-history': {
    group: 'Watching',
    type: 'integer',
    min: 1,
    max: 10_000_000,
    default: 1000,
    mutable: true,
    help: 'Events kept to resume a watch from',
    comment: 'A lower number drops the oldest events at once.',
  },
  'watch-history-memory': {
    group: 'Watching',
    type: 'memory',
    min: MB,
    max: Number.MAX_SAFE_INTEGER,
    default: 256 * MB,
    mutable: true,
    help: 'Size of the values kept in the history',
    comment: 'Above it the oldest events are dropped, even if they are fewer than watch-history.',
  },
  'notify-keyspace-events': {
    group: 'Watching',
    type: 'event-flags',
    default: '',
    mutable: true,
    help: 'Keyspace events to publish, by their letters',
    comment:
      "Redis's letters: K publishes to __keyspace@0__:<key>, E to __keyevent@0__:<event>; one of these two is needed, and at least one class: g for what keys of all kinds have (del, expire, rename_from ...), $ for strings (set, incrby ...), x for expiries, n for new keys, m for reads of keys that are not there, A for all but n and m. The letters of Redis's other types are accepted. Empty: nothing is published. To watch the tree, tree channels are the better way: they need no directive, and can resume.",
  },
  dir: {
    group: 'Persistence',
    type: 'string',
    default: './data',
    mutable: true,
    help: 'Directory that the tree is kept in',
    comment:
      'Made if it is missing; one server at a time uses it. CONFIG SET writes the whole tree into the new directory, which must not hold one already, before it answers.',
  },
  durability: {
    group: 'Persistence',
    type: 'enum',
    values: ['always', 'everysec', 'no'],
    default: 'everysec',
    mutable: true,
    help: 'Fsync: always, everysec, or no disk at all',
    comment:
      'always: before the reply leaves, with an fsync for all clients together. everysec: within a second, so that a crash costs the last second at the most, and never a write before one that is kept. no: never; nothing is read at the start and nothing is written.',
  },
  'crash-index-gap': {
    group: 'Persistence',
    type: 'integer',
    min: 0,
    max: 1_000_000_000,
    default: 1_000_000,
    mutable: true,
    help: 'How far the index goes on after a crash',
    comment:
      'Under durability everysec a crash may take the last writes, which clients had seen. The index then goes on higher by this number, so that no index stands for two events, and a watcher that has seen what is lost is refused. It must be more than the writes of a second; 0 leaves a gap out.',
  },
  save: {
    group: 'Persistence',
    type: 'enum',
    values: [''],
    default: '',
    mutable: true,
    help: "Redis's snapshots: none; see durability",
    comment: 'Accepted, empty, and shown for the sake of Redis tools.',
  },
  appendonly: {
    group: 'Persistence',
    type: 'enum',
    values: ['no'],
    default: 'no',
    mutable: true,
    help: "Redis's append-only file: see durability",
    comment: 'There is none. Accepted and shown for the sake of Redis tools.',
  },
  loglevel: {
    group: 'Log',
    type: 'enum',
    values: ['debug', 'verbose', 'notice', 'warning', 'nothing'],
    default: 'notice',
    mutable: true,
    help: 'debug, verbose, notice, warning or nothing',
    comment: 'How much is logged, from most to least.',
  },
  'slowlog-log-slower-than': {
    group: 'Log',
    type: 'integer',
    min: -1,
    max: Number.MAX_SAFE_INTEGER,
    default: 10_000,
    mutable: true,
    help: 'Slow from so many microseconds on; -1: never',
    comment: 'SLOWLOG keeps the commands that took so long; with 0 every one.',
  },
  'slowlog-max-len': {
    group: 'Log',
    type: 'integer',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    default: 128,
    mutable: true,
    help: 'Commands that SLOWLOG keeps',
  },
  'latency-monitor-threshold': {
    group: 'Log',
    type: 'integer',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    default: 0,
    mutable: true,
    comment: 'LATENCY tells what took so many milliseconds, or longer.',
    help: 'Latency noted from so many ms on; 0: never',
  },
  logfile: {
    group: 'Log',
    type: 'string',
    default: '',
    mutable: false,
    help: 'File for the log; empty for standard output',
    comment:
      'JSON, one object a line; on a terminal the same in colour, for people to read. A file is appended to.',
  },
} as const satisfies Readonly<Record<string, Directive>>

type Directives = typeof directives
export type DirectiveName = keyof Directives
export type DirectiveValue<N extends DirectiveName> = ValueOf<Directives[N]>
export type LogLevel = DirectiveValue<'loglevel'>

export const directiveNames = Object.keys(directives) as DirectiveName[]

/** The directive of a name in any case, or undefined. */
export function findDirective(name: string): DirectiveName | undefined {
  const lower = name.toLowerCase()
  return Object.hasOwn(directives, lower) ? (lower as DirectiveName) : undefined
}

/** The table's entry, as the union of all shapes rather than the literal one. */
export function describeDirective(name: DirectiveName): Directive {
  return directives[name]
}
