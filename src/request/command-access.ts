/**
 * How far a request reaches beyond the nodes that its keys name. Whoever may use some keys only must
 * have the right to all that it reaches.
 *
 * - `node`: the nodes themselves
 * - `directory`: all below its keys, if a directory stands at one of them
 * - `unless-file`: all below its keys, unless a file stands there
 * - `subtree`: the nodes and all that is, or could be, below them
 * - `below`: what is, or could be, below its keys; not the nodes themselves
 * - `all`: the whole tree
 * - `readable`: whatever its user may read, and nothing else
 * - `nothing`: no node
 */
export type Reach =
  | 'node'
  | 'directory'
  | 'unless-file'
  | 'subtree'
  | 'below'
  | 'all'
  | 'readable'
  | 'nothing'

/** How far a command reaches; of a request, where it depends on its options. */
export type ReachOf = Reach | ((request: readonly string[]) => Reach)

/**
 * What a request's arguments are, from the first one on: channels or patterns that it listens to; or
 * the first one only, a channel that it publishes to.
 */
export type ChannelUse = 'listen' | 'patterns' | 'publish'

/** Where keys stand in a request, and what is done with them. */
interface AccessedKeys {
  readonly first: number
  /** Negative: counted from the request's end. */
  readonly last: number
  readonly step: number
  /** READ, WRITE, both, or 0 where either will do. */
  readonly access: number
}

/** What a command asks of its user, from its declaration. */
export interface CommandAccess {
  /** In the catalogue, and so in a selector's bits. */
  readonly id: number
  /** Anybody may call it, logged in or not. */
  readonly open: boolean
  readonly keys: readonly AccessedKeys[]
  readonly reach: ReachOf | undefined
  readonly channels: ChannelUse | undefined
  /** Where the only key stands, if a request of {@link oneKeyLength} reaches no further; else 0. */
  readonly oneKey: number
  /** How many arguments such a request has, the command's name counted; 0 for any number. */
  readonly oneKeyLength: number
  readonly oneKeyAccess: number
  /** What is done with the whole tree, where it reaches all of it. */
  readonly accessToAll: number
  /** What a request does with its keys, where that depends on its options. */
  readonly accessOf: ((request: readonly string[]) => number) | undefined
}
