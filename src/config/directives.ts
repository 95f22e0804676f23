import { clusterDirectives } from './cluster-directives.ts'
import type { Directive, ValueOf } from './directive-value.ts'
import { tlsDirectives } from './tls-directives.ts'

const MB = 1024 ** 2
const MAX_INT = 2 ** 31 - 1

/**
 * Every directive. The conf file, `--help`, CONFIG and the documentation are made from this table.
 */
export const directives = {
  bind: {
    group: 'Network',
    type: 'list',
    default: ['127.0.0.1', '-::1'],
    mutable: false,
    help: 'Addresses to listen on; - marks optional ones',
    comment:
      '127.0.0.1 and ::1 are this machine. * means all IPv4 addresses, ::* all IPv6 addresses. An address that begins with - is skipped if the machine does not have it. If any other address cannot be used, the server does not start.',
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
    rare: true,
    help: 'Octal mode of the Unix socket; 0: by umask',
  },
  'protected-mode': {
    group: 'Network',
    type: 'boolean',
    default: true,
    mutable: true,
    help: 'Only local clients if there is no password',
    comment: 'Clients from other machines are refused while the default user needs no password.',
  },
  'enable-debug-command': {
    group: 'Network',
    type: 'enum',
    values: ['no', 'yes', 'local'],
    default: 'no',
    mutable: false,
    rare: true,
    help: 'Who may use DEBUG: no, yes (all) or local',
  },
  'enable-protected-configs': {
    group: 'Network',
    type: 'enum',
    values: ['no', 'yes', 'local'],
    default: 'no',
    mutable: false,
    rare: true,
    help: 'Who may CONFIG SET files (dir, certificates)',
    comment: 'no: nobody. yes: every client that may use CONFIG SET. local: those on this machine.',
  },
  'tcp-backlog': {
    group: 'Network',
    type: 'integer',
    min: 0,
    max: MAX_INT,
    default: 511,
    mutable: false,
    rare: true,
    help: 'Connections that may wait to be accepted',
    comment: 'The kernel limits it silently: on Linux, see net.core.somaxconn.',
  },
  'tcp-keepalive': {
    group: 'Network',
    type: 'integer',
    min: 0,
    max: MAX_INT,
    default: 300,
    mutable: true,
    rare: true,
    help: 'Seconds of silence before a probe; 0 for none',
    comment: 'Detects clients that have vanished. A change applies to new connections.',
  },
  timeout: {
    group: 'Network',
    type: 'integer',
    min: 0,
    max: MAX_INT,
    default: 0,
    mutable: true,
    help: 'Seconds to close an idle client; 0: never',
    comment: 'Clients that watch, subscribe or block are never idle.',
  },
  ...tlsDirectives,
  requirepass: {
    group: 'Users',
    type: 'string',
    default: '',
    mutable: true,
    secret: true,
    help: 'Password of the default user; empty for none',
    comment: 'Choose a long one, because a client can try thousands of passwords a second.',
  },
  aclfile: {
    group: 'Users',
    type: 'string',
    default: '',
    mutable: false,
    help: 'File that the users are kept in',
    comment:
      'ACL LOAD reads it, ACL SAVE writes it. Without it, users are lines of this file: user <name> <rules>, one line for each. They are kept in one of the two places.',
  },
  'acl-pubsub-default': {
    group: 'Users',
    type: 'enum',
    values: ['allchannels', 'resetchannels'],
    default: 'resetchannels',
    mutable: true,
    rare: true,
    help: 'Channels of new users: all of them, or none',
    comment: 'For ordinary channels. A tree channel is a read of its path.',
  },
  'acllog-max-len': {
    group: 'Users',
    type: 'integer',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    default: 128,
    mutable: true,
    rare: true,
    help: 'Denied requests that ACL LOG keeps',
  },
  'audit-log': {
    group: 'Users',
    type: 'string',
    default: '',
    mutable: false,
    help: 'File of the audit log, or stdout',
    comment:
      'A line of JSON for each login, failed login, denied request, change of users or of the configuration, shutdown, KRECOVER and FLUSHALL: when, who, from where, which command, which keys. It holds no values and no passwords. A file is appended to, each line at once.',
  },
  maxclients: {
    group: 'Clients',
    type: 'integer',
    min: 1,
    max: 2 ** 32 - 1,
    default: 10000,
    mutable: true,
    help: 'Clients connected at the same time',
    comment:
      "Further clients get an error and are disconnected. 64 open files are kept for the server itself: if 'ulimit -n' does not allow so many clients beside them, there are fewer, and the log says so.",
  },
  databases: {
    group: 'Clients',
    type: 'integer',
    min: 1,
    max: 1,
    default: 1,
    mutable: false,
    rare: true,
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
    comment:
      'The size of all arguments together, and of all that a client makes the server keep: queued requests, watched keys, channels and patterns. A client that exceeds it, or 3 GB, is disconnected.',
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
    help: 'Unread output at which a client is closed',
    comment:
      'Written as <class> <hard> <soft> <seconds>. A client is disconnected at once above the hard limit, and after <seconds> above the soft limit. 0 switches a limit off. The class pubsub is for clients that watch or subscribe, normal for all others. Without a limit for the class normal, memory decides: a client that leaves too much unread is not served until it has read. The class replica (or slave) has no effect; it is there for Redis tools. One line may hold several classes. A class that is not named keeps its limits.',
  },
  'exec-read-time-limit': {
    group: 'Limits',
    type: 'integer',
    min: 0,
    max: MAX_INT,
    default: 300,
    mutable: true,
    rare: true,
    help: 'Time of searches in one EXEC, ms; 0: no limit',
    comment:
      'For the requests of one EXEC that look through the tree, the clients, the users, the history or the configuration: KGET of directories, KEYS, SCAN, CLIENT LIST, INFO and more, see docs/commands.md. Others wait while an EXEC runs. When these have taken so many milliseconds together, the next of them gets an error. Requests that write to the tree are never refused for it, nor is the first such request.',
  },
  maxmemory: {
    group: 'Limits',
    type: 'memory',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    default: 0,
    mutable: true,
    help: 'Most memory to use; 0 for no limit',
    comment:
      'Above the limit, commands that may need more memory get an error, among them WATCH, SUBSCRIBE and PSUBSCRIBE. All others are served, and nothing is evicted. The limit is for the whole heap of the process: about 20mb of its own, the tree, and watch-history. The heap is measured every second and as the tree grows, so it may exceed the limit, by a quarter at most. Without a limit, the same happens before the heap of node is full: see docs/operating.md.',
  },
  'maxmemory-policy': {
    group: 'Limits',
    type: 'enum',
    values: ['noeviction'],
    default: 'noeviction',
    mutable: true,
    rare: true,
    help: 'Above maxmemory nothing is evicted',
  },
  'watch-history': {
    group: 'Watching',
    type: 'integer',
    min: 1,
    max: 10_000_000,
    default: 1000,
    mutable: true,
    help: 'Events kept for watches that resume',
    comment:
      'A lower number drops the oldest events, many at once, and the rest as the server finds time.',
  },
  'watch-history-memory': {
    group: 'Watching',
    type: 'memory',
    min: MB,
    max: Number.MAX_SAFE_INTEGER,
    default: 16 * MB,
    mutable: true,
    help: 'Memory that the history keeps alive',
    comment:
      'Above it the oldest events are dropped, even if there are fewer than watch-history. An event keeps its key alive, its value and the value before, and takes some 140 bytes besides, or 230 to 330 unless it sets a permanent file that was there; so 16mb are some 120,000 short events. What several events share counts once, if it is large (8 kb or more), up to four times the limit if each had its own. So by default watchers can resume over some 160 writes of values of 100 kb. Nodes of a group count the lengths of values instead, so that all drop the same events. Where maxmemory or the heap is full, a single process drops the oldest events until the others take 1mb; nodes of a group do not.',
  },
  'notify-keyspace-events': {
    group: 'Watching',
    type: 'event-flags',
    default: '',
    mutable: true,
    help: 'Keyspace events to publish, as letters',
    comment:
      "To watch the tree, use tree channels instead: they need no directive, and can resume. The letters are those of Redis. Give K or E, and at least one class. K publishes to __keyspace@0__:<key>, E to __keyevent@0__:<event>. The classes are g for commands on any key (del, expire, rename_from ...), $ for strings (set, incrby ...), x for expired keys, n for new keys, m for reads of missing keys, and A for all except n and m. Letters for Redis's other types are accepted. Empty: nothing is published.",
  },
  dir: {
    group: 'Persistence',
    type: 'string',
    default: './data',
    mutable: true,
    protected: true,
    help: 'Directory of the tree on disk',
    comment:
      'It is created if it is missing. Only one server at a time can use it. CONFIG SET writes the whole tree into the new directory before it replies. That directory must not hold another tree.',
  },
  durability: {
    group: 'Persistence',
    type: 'enum',
    values: ['always', 'everysec', 'no'],
    default: 'everysec',
    mutable: true,
    help: 'Fsync: always, everysec, or no disk at all',
    comment:
      'When is a write on the disk? always: before its reply is sent; one fsync covers all clients. everysec: the system has it before its reply is sent, and the disk within a second. If the process ends, however it ends, nothing is lost; if the power fails, at most the last second. no: never. Nothing is read at the start, and nothing is written.',
  },
  'journal-max-size': {
    group: 'Persistence',
    type: 'memory',
    min: MB,
    max: Number.MAX_SAFE_INTEGER,
    default: 64 * MB,
    mutable: true,
    rare: true,
    help: 'Size of the journal at which it is shortened',
    comment:
      'Every write goes to the journal, which a start reads again. When it has grown to this size, and to the size of what a checkpoint writes, a checkpoint begins in the background; the journal before it is then removed.',
  },
  'crash-index-gap': {
    group: 'Persistence',
    type: 'integer',
    min: 0,
    max: 1_000_000_000,
    default: 1_000_000,
    mutable: true,
    rare: true,
    help: 'How far the index skips after a power cut',
    comment:
      'With durability everysec, a power cut may lose the last writes, although clients have seen them. The index then skips ahead by this number, so that no index names two events, and a watcher that has seen a lost event is refused. Choose more than the number of writes in a second. 0: no gap.',
  },
  save: {
    group: 'Persistence',
    type: 'enum',
    values: [''],
    default: '',
    mutable: true,
    rare: true,
    help: "Redis's snapshots: none; see durability",
    comment: 'Only for Redis tools: it is always empty.',
  },
  appendonly: {
    group: 'Persistence',
    type: 'enum',
    values: ['no'],
    default: 'no',
    mutable: true,
    rare: true,
    help: "Redis's append-only file: see durability",
    comment: 'Only for Redis tools: ktree has no append-only file.',
  },
  ...clusterDirectives,
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
    help: 'Slow from this many microseconds; -1: never',
    comment: 'SLOWLOG keeps commands that took this long, or longer. 0: every command.',
  },
  'slowlog-max-len': {
    group: 'Log',
    type: 'integer',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    default: 128,
    mutable: true,
    rare: true,
    help: 'Commands that SLOWLOG keeps',
  },
  'latency-monitor-threshold': {
    group: 'Log',
    type: 'integer',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    default: 0,
    mutable: true,
    comment: 'LATENCY reports events that took this long, or longer.',
    rare: true,
    help: 'Latency spikes from this many ms; 0: never',
  },
  logfile: {
    group: 'Log',
    type: 'string',
    default: '',
    mutable: false,
    help: 'File for the log; empty for standard output',
    comment: 'A file gets JSON, one object a line, at its end. A terminal gets coloured text.',
  },
} as const satisfies Readonly<Record<string, Directive>>

type Directives = typeof directives
export type DirectiveName = keyof Directives
export type DirectiveValue<N extends DirectiveName> = ValueOf<Directives[N]>
export type LogLevel = DirectiveValue<'loglevel'>

export const directiveNames = Object.keys(directives) as DirectiveName[]

/** Finds a directive by its name in any case. */
export function findDirective(name: string): DirectiveName | undefined {
  const lower = name.toLowerCase()
  return Object.hasOwn(directives, lower) ? (lower as DirectiveName) : undefined
}

/** A directive's entry, typed as any `Directive` rather than as its literal. */
export function describeDirective(name: DirectiveName): Directive {
  return directives[name]
}
