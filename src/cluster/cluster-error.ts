/** The group cannot go on, and the node must not guess. */
export class ClusterError extends Error {
  override name = 'ClusterError'
}
