/** The group cannot go on, and the node must not guess. */
export class ClusterError extends Error {
  override name = 'ClusterError'
}

/** What there is to do where etcd has not got any more what a node has. */
const WHAT_TO_DO =
  'if this is as it should be, start all nodes again, without node-copy in dir, to serve what is in etcd now'

/**
 * The log is not the one that was opened.
 *
 * @param isOtherEtcd whether it is in another cluster of etcd: the copies may be of one that somebody can bring back
 */
export function anotherLog(isOtherEtcd: boolean): ClusterError {
  if (isOtherEtcd) {
    return new ClusterError(
      'etcd is another cluster than this node has followed, and has another log: check etcd-endpoints, and keep node-copy in dir until the former etcd is back, or known to be lost',
    )
  }
  return new ClusterError(
    `the log in etcd is another one than this node follows, as if etcd had been emptied: ${WHAT_TO_DO}`,
  )
}

/** The log has lost what this node has. @param revision of a batch that was in it */
export function putBack(revision: number): ClusterError {
  return new ClusterError(
    `the log in etcd has lost what this node has (up to revision ${revision}), as if etcd had been put back to an earlier day: ${WHAT_TO_DO}`,
  )
}
