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
  /** Resolves when this node's own copy of the tree is on its disk. @throws Error if it cannot be written */
  save(): Promise<void>
  nodes(): Promise<readonly GroupNode[]>
}
