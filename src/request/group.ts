/** A node of a group, as INFO and KNODES show it. */
export interface GroupNode {
  readonly id: string
  readonly name: string
  readonly address: string
  readonly version: string
  /** The revision of etcd of the last batch that it had applied when it last told so, some seconds ago. */
  readonly applied: number
  /** How far it was behind the log then: in revisions of etcd, and in milliseconds. */
  readonly lag: { readonly revisions: number; readonly ms: number }
  readonly isSelf: boolean
}

/** How saves are going: checkpoints, or in a group a node's copies of the tree. */
export interface SaveStatus {
  readonly isRunning: boolean
  /** When the last one was on the disk, in Unix milliseconds; that of the start if there is none. */
  readonly lastSave: number
  /** How long the last one took, in milliseconds; undefined before the first. */
  readonly lastDuration: number | undefined
  /** Why the last one failed; undefined if it did not. */
  readonly failure: string | undefined
}

/** A node's own copies of the tree. */
export interface NodeCopies extends SaveStatus {
  /** Resolves when a copy of this moment, or a later one, is on the disk. @throws Error if it cannot be written */
  save(): Promise<void>
  /** Like {@link save}, for a node that ends: leaves the former copy where a new one would take long. */
  saveLast(): Promise<void>
}

/** A group of nodes that serve one tree, as commands see it. */
export interface Group {
  readonly state: 'ok' | 'catching-up' | 'stale'
  readonly name: string
  /** The revision of etcd of the last batch that this node has applied. */
  readonly position: number
  /** The revision of the last batch in the log, as far as this node has heard. */
  readonly end: number
  /** How long etcd has not been heard, in milliseconds. */
  readonly silence: number
  /** How far this node is behind the log, as far as it knows. */
  readonly lag: GroupNode['lag']
  /** How many requests wait to be put into the log. */
  readonly waiting: number
  /** Whether this node has nodes of the tree expire, and cuts the log. */
  readonly isElected: boolean
  /** How far the group's time is ahead of this machine's, in milliseconds. */
  readonly clockAhead: number
  /** The length of the log, as far as this node has seen it. */
  readonly log: { readonly batches: number; readonly bytes: number }
  /**
   * Resolves when this node has applied all that was committed before the call.
   *
   * @param signal gives up waiting
   * @throws Error if etcd does not answer, or it is given up
   */
  sync(signal?: AbortSignal): Promise<void>
  readonly copies: NodeCopies
  nodes(): Promise<readonly GroupNode[]>
}
