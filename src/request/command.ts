import type { Category } from '../access/categories.ts'
import type { MemoryGauge } from '../metrics/memory-gauge.ts'
import type { RequestArguments } from '../resp/request-arguments.ts'
import type { StoreError } from '../store/errors.ts'
import type { Expiries } from '../store/expiring-tree.ts'
import type { Store } from '../store/store.ts'
import type { Argument, Options } from './arguments/argument.ts'
import type { CommandError } from './arguments/errors.ts'
import type { Client, ServerContext } from './client.ts'
import type { ChannelUse, ReachOf } from './command-access.ts'

/** The groups of commands, as COMMAND DOCS names them: Redis's, and `tree`. */
export type Group =
  | 'tree'
  | 'connection'
  | 'server'
  | 'pubsub'
  | 'generic'
  | 'string'
  | 'transactions'

/** The command flags of Redis that ktree uses. */
export type Flag =
  | 'write'
  | 'readonly'
  | 'fast'
  | 'admin'
  | 'noscript'
  | 'pubsub'
  | 'blocking'
  | 'loading'
  | 'stale'
  | 'no_auth'
  | 'allow_busy'
  | 'skip_monitor'
  | 'denyoom'
  | 'no_async_loading'
  | 'no_multi'
  | 'skip_slowlog'

/** What the audit log tells of a command. */
export interface AuditedCommand {
  readonly event: 'users' | 'configuration' | 'shutdown' | 'recover' | 'flush'
  /** The users or directives that a request names. */
  names?(request: readonly string[]): readonly string[]
}

/**
 * The declaration of a command. The arity check, option parsing, COMMAND, COMMAND DOCS and the page
 * in docs/ all use it.
 */
export type Command = PlainCommand | ValueCommand

/** How many bytes, about, the server keeps of a request. */
export type KeptSize = (args: RequestArguments) => number

/**
 * What `run` returns: mostly nothing. A refusal may be returned instead of thrown, which takes ten times as long as the
 * rest of the request, where an EXEC may have half a million of them.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: most commands return nothing
export type Outcome = CommandError | StoreError | undefined | void

/** What all declarations have. */
interface Declaration {
  /** In lower case; a subcommand's name is without that of its container. */
  readonly name: string
  readonly summary: string
  readonly group: Group
  readonly since: string
  readonly complexity?: string
  /** Number of arguments, the name included; negative for a minimum (Redis). */
  readonly arity: number
  readonly flags: readonly Flag[]
  /** Positions of the first and the last key, and the step between keys, as COMMAND shows them. */
  readonly keys?: readonly [first: number, last: number, step: number]
  /**
   * Redis's key flags, if they differ from the usual ones of a read or a write: one list for all
   * keys, or one for the first key and one for the second.
   */
  readonly keyFlags?: readonly (readonly string[])[]
  /** The key flags of a request, if they depend on its options. */
  keyFlagsOf?(request: readonly string[]): readonly string[]
  /** How far it reaches beyond the nodes that its keys name; of a request, if it depends on its options. */
  readonly reach?: ReachOf
  /** What it does with channels, if its arguments are such. */
  readonly channels?: ChannelUse
  /** Redis's ACL categories, instead of the group's own; see categoriesOf. */
  readonly categories?: readonly Category[]
  readonly args?: readonly Argument[]
  /** All optional arguments have tokens and come in any order, so that `args` suffice to parse them. */
  readonly parsed?: true
  readonly subcommands?: readonly Command[]
  /** A client in RESP2 pub/sub mode may use the command. */
  readonly inPubSub?: true
  /** The command runs at once inside MULTI instead of being queued. */
  readonly inMulti?: true
  /**
   * The command makes the server keep its arguments for the client. Above `maxmemory` it is refused,
   * though not in Redis: what a client may keep would otherwise have no limit that `maxmemory` sets.
   */
  readonly keeps?: true | KeptSize
  /**
   * The time of a call is not bounded by its arguments: it looks through the tree, the clients, the users, the
   * history or the configuration. In an EXEC `exec-read-time-limit` bounds the time of all such calls; never of one
   * that changes the tree. A function tells it of a request, and is asked only after long calls.
   */
  readonly broad?: true | ((request: readonly string[], store: Store) => boolean)
  /** Bytes of values that a call may add to the tree besides its arguments, about. */
  adds?(request: RequestArguments, store: Store): number
  /**
   * What becomes of the value of the first key: it is at the second then, too, or only there. How long one is that is copied, others
   * of a group may change before the call runs, so the log has the most that it may be, which is what `adds` has told.
   */
  readonly source?: 'copied' | 'moved'
  /** How much of V8's heap a call may take besides the length of its arguments, in bytes. */
  readonly growth?: number
  /** The same where it depends on the arguments. Such a command adds nothing else. */
  heapNeed?(request: RequestArguments): number
  /**
   * Refuses a request for which there is not enough memory. `run` asks it, too; but where a log says what all nodes
   * run, only the node that the client has asked does so, before the request is in the log.
   *
   * @throws CommandError
   */
  checkRoom?(memory: MemoryGauge, request: RequestArguments, store: Store): void
  /**
   * Expires, bit by bit, all the nodes that a call would expire first, if they may be many: no more, no fewer, and in
   * the same order. A node of a group asks for it before it runs an entry of the log.
   *
   * @param options parsed as for `run`
   * @returns undefined if the call would expire none
   */
  expiries?(
    server: ServerContext,
    request: readonly string[],
    options: Options,
  ): Expiries | undefined
  /** The directive that has to allow the command: one of Redis's protected commands. */
  readonly protectedBy?: 'enable-debug-command'
  /** The line of the audit log that tells of a call that has succeeded. */
  readonly audit?: AuditedCommand
  /** Positions of the arguments that MONITOR and the slow log must not show: passwords. */
  secrets?(args: readonly string[]): readonly number[]
}

/** A command all of whose arguments are strings. */
interface PlainCommand extends Declaration {
  readonly takesValues?: undefined
  /**
   * Runs the command, and writes the reply. A container of subcommands has no `run`.
   *
   * @param args the whole request, the command's name first
   * @param options the parsed options; empty unless `parsed` is set
   * @throws CommandError, StoreError and others that become error replies
   */
  run?(client: Client, args: readonly string[], options: Options): Outcome
}

/**
 * A command with arguments that are declared as values: these come as `Value`s, all others as
 * strings. The type of `args` in its `run` must say which are which.
 */
interface ValueCommand extends Declaration {
  readonly takesValues: true
  run(client: Client, args: never, options: Options): Outcome
}
