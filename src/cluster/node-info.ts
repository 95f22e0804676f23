import { ClusterError } from './cluster-error.ts'
import { isTime } from './log-clock.ts'

/** What a node tells of itself. */
export interface NodeInfo {
  readonly name: string
  readonly address: string
  readonly version: string
  /** The revision of etcd of the last batch that it had applied when it told this. */
  readonly applied: number
  /** How far it was behind the log then: in revisions of etcd, and in milliseconds. */
  readonly lag: { readonly revisions: number; readonly ms: number }
  /** Where it listens; see `place.ts`. A former ktree does not say. */
  readonly place?: string
  /** The group's time as it knew it then, in Unix milliseconds. A former ktree does not say. */
  readonly time?: number
}

/**
 * Reads what a node tells of itself, as etcd has it.
 *
 * @param id of the node
 * @throws ClusterError if somebody else has written there
 */
export function readNodeInfo(id: string, value: Buffer): NodeInfo {
  const info = parsed(value)
  const { name, address, version, applied, lag } = info ?? {}
  const isWhole =
    [name, address, version].every((text) => typeof text === 'string') &&
    [applied, lag?.revisions, lag?.ms].every(Number.isSafeInteger)
  if (!isWhole) throw new ClusterError(`etcd holds no node's words in the place of node ${id}`)
  return info as NodeInfo
}

/** The time that a node has told; undefined if it has told none. */
export function timeIn(value: Buffer): number | undefined {
  const time: unknown = parsed(value)?.time
  return isTime(time) ? time : undefined
}

function parsed(value: Buffer): Partial<NodeInfo> | null {
  try {
    return JSON.parse(value.toString()) as Partial<NodeInfo> | null
  } catch {
    return null
  }
}
