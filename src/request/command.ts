import type { Argument, Options } from './arguments/argument.ts'
import type { Client } from './client.ts'

export type Group =
  | 'tree'
  | 'connection'
  | 'server'
  | 'pubsub'
  | 'generic'
  | 'string'
  | 'transactions'

/** Redis's flags, those that mean something here. */
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

/** Redis's ACL categories, those that mean something here. */
export type Category =
  | 'keyspace'
  | 'read'
  | 'write'
  | 'string'
  | 'pubsub'
  | 'admin'
  | 'fast'
  | 'slow'
  | 'blocking'
  | 'dangerous'
  | 'connection'
  | 'transaction'

/**
 * A command: everything that is known of it, in one place. Arity checks, option parsing, COMMAND,
 * COMMAND DOCS and the page in docs/ all come from here.
 */
export interface Command {
  /** In lower case; of a subcommand its own name only. */
  readonly name: string
  readonly summary: string
  readonly group: Group
  readonly since: string
  readonly complexity?: string
  /** How many arguments, the name counted; negative: at least so many. */
  readonly arity: number
  readonly flags: readonly Flag[]
  /** First key, last key, step: as COMMAND shows them. */
  readonly keys?: readonly [first: number, last: number, step: number]
  /**
   * Redis's key flags, where they are not the usual ones of commands that read, or write: of all
   * keys, or of the first and of the second one.
   */
  readonly keyFlags?: readonly (readonly string[])[]
  /** Those of a request, where they depend on its options. */
  keyFlagsOf?(request: readonly string[]): readonly string[]
  /** Redis's ACL categories, in place of the one that goes with the group; see categoriesOf. */
  readonly categories?: readonly Category[]
  readonly args?: readonly Argument[]
  /** The optional arguments all have tokens and may come in any order: parse them by the table. */
  readonly parsed?: true
  readonly subcommands?: readonly Command[]
  /** May a client in RESP2 pub/sub mode use it? */
  readonly inPubSub?: true
  /** Does it run at once inside MULTI, rather than being queued? */
  readonly inMulti?: true
  /** The directive that has to allow it: Redis's protected commands. */
  readonly protectedBy?: 'enable-debug-command'
  /** The places of the arguments that MONITOR must not show: passwords. */
  secrets?(args: readonly string[]): readonly number[]
  /**
   * Does it, and writes the reply. Not called for a container of subcommands.
   *
   * @param args the whole request, the command's name first
   * @param options what `parsed` has found
   * @throws CommandError, StoreError and others that become error replies
   */
  run?(client: Client, args: readonly string[], options: Options): void
}
