import type { Directive, ValueOf } from './config-value.ts'

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
  loglevel: {
    group: 'Log',
    type: 'enum',
    values: ['debug', 'verbose', 'notice', 'warning', 'nothing'],
    default: 'notice',
    mutable: true,
    help: 'debug, verbose, notice, warning or nothing',
    comment: 'How much is logged, from most to least.',
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
