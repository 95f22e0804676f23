import type { Directive } from './directive-value.ts'

const MB = 1024 ** 2
const MAX_INT = 2 ** 31 - 1

/** What is fixed when the node starts. */
const TEXT = { group: 'Cluster', type: 'string', default: '', mutable: false } as const

/** The directives of several nodes over etcd, a part of the table in directives.ts. */
export const clusterDirectives = {
  'etcd-endpoints': {
    group: 'Cluster',
    type: 'list',
    default: [],
    mutable: false,
    help: 'URLs of etcd, for several nodes',
    comment:
      'With it the writes of all nodes go through a log in this etcd v3 cluster, and every node has the whole tree. Empty: a single process, which needs no etcd.',
  },
  'etcd-prefix': {
    group: 'Cluster',
    type: 'string',
    default: '/ktree/',
    mutable: false,
    help: 'Where in etcd the log is',
    comment: 'Nodes with the same prefix serve the same tree.',
  },
  'etcd-bootstrap': {
    group: 'Cluster',
    type: 'boolean',
    default: false,
    mutable: false,
    help: 'Put the tree in dir into an empty log',
    comment:
      'The first node of a group brings the tree of a single process along: it goes into the log in etcd if nobody has written there, and is then set aside in dir.',
  },
  'etcd-user': {
    ...TEXT,
    help: 'User of etcd; empty for none',
  },
  'etcd-password': {
    ...TEXT,
    secret: true,
    help: 'Password of that user',
  },
  'etcd-ca-file': {
    ...TEXT,
    help: 'Certificate that signs those of etcd',
    comment: 'For https URLs. Empty: the authorities that Node.js knows.',
  },
  'etcd-cert-file': {
    ...TEXT,
    help: 'Certificate that etcd is shown',
  },
  'etcd-key-file': {
    ...TEXT,
    help: 'Private key of that certificate',
  },
  'read-consistency': {
    group: 'Cluster',
    type: 'enum',
    values: ['session', 'linearizable'],
    default: 'session',
    mutable: true,
    help: 'What reads may miss: session, linearizable',
    comment:
      'session: a read is served from the tree of this node; a connection sees its own writes, and never goes back. linearizable: a read waits until this node has applied all that was committed before it, which takes a question to etcd.',
  },
  'cluster-timeout': {
    group: 'Cluster',
    type: 'integer',
    min: 1,
    max: MAX_INT,
    default: 5000,
    mutable: true,
    help: 'Milliseconds that a write may wait for etcd',
    comment:
      'Then its reply is CLUSTERDOWN if the write was certainly not made, and UNCERTAIN if it may have been.',
  },
  'log-max-batches': {
    group: 'Cluster',
    type: 'integer',
    min: 1,
    max: MAX_INT,
    default: 10_000,
    mutable: true,
    help: 'Length of the log at which it is cut',
    comment:
      'When the log in etcd has more batches than this, and is half as long as the snapshot would be, one node puts a snapshot of the tree into etcd and cuts the log before it. A batch is what clients write at the same time.',
  },
  'log-max-memory': {
    group: 'Cluster',
    type: 'memory',
    min: 1024,
    max: Number.MAX_SAFE_INTEGER,
    default: 64 * MB,
    mutable: true,
    help: 'Bytes of the log at which it is cut',
  },
  'node-name': {
    ...TEXT,
    help: 'Name of this node; empty: host name and port',
  },
} as const satisfies Record<string, Directive>
