/**
 * The part of etcd's v3 API that a group uses, as @grpc/proto-loader takes it: the messages of `rpc.proto`,
 * `kv.proto` and `auth.proto`, each field with its number.
 */

const ROOT = 'etcdserverpb'

/** `type number`, for each field. */
type Fields = Readonly<Record<string, string>>

const HEADER = { header: 'ResponseHeader 1' }

const MESSAGES: Readonly<Record<string, Fields>> = {
  ResponseHeader: {
    cluster_id: 'uint64 1',
    member_id: 'uint64 2',
    revision: 'int64 3',
    raft_term: 'uint64 4',
  },
  KeyValue: {
    key: 'bytes 1',
    create_revision: 'int64 2',
    mod_revision: 'int64 3',
    version: 'int64 4',
    value: 'bytes 5',
    lease: 'int64 6',
  },
  Event: { type: 'int32 1', kv: 'KeyValue 2' },
  RangeRequest: {
    key: 'bytes 1',
    range_end: 'bytes 2',
    limit: 'int64 3',
    revision: 'int64 4',
    serializable: 'bool 7',
    keys_only: 'bool 8',
    count_only: 'bool 9',
  },
  RangeResponse: { ...HEADER, kvs: '*KeyValue 2', more: 'bool 3', count: 'int64 4' },
  PutRequest: { key: 'bytes 1', value: 'bytes 2', lease: 'int64 3' },
  PutResponse: HEADER,
  DeleteRangeRequest: { key: 'bytes 1', range_end: 'bytes 2' },
  DeleteRangeResponse: { ...HEADER, deleted: 'int64 2' },
  RequestOp: {
    request_range: 'RangeRequest 1',
    request_put: 'PutRequest 2',
    request_delete_range: 'DeleteRangeRequest 3',
  },
  ResponseOp: {
    response_range: 'RangeResponse 1',
    response_put: 'PutResponse 2',
    response_delete_range: 'DeleteRangeResponse 3',
  },
  Compare: {
    result: 'int32 1',
    target: 'int32 2',
    key: 'bytes 3',
    create_revision: 'int64 5',
    mod_revision: 'int64 6',
    value: 'bytes 7',
    range_end: 'bytes 64',
  },
  TxnRequest: { compare: '*Compare 1', success: '*RequestOp 2', failure: '*RequestOp 3' },
  TxnResponse: { ...HEADER, succeeded: 'bool 2', responses: '*ResponseOp 3' },
  CompactionRequest: { revision: 'int64 1', physical: 'bool 2' },
  CompactionResponse: HEADER,
  LeaseGrantRequest: { TTL: 'int64 1', ID: 'int64 2' },
  LeaseGrantResponse: { ...HEADER, ID: 'int64 2', TTL: 'int64 3', error: 'string 4' },
  LeaseRevokeRequest: { ID: 'int64 1' },
  LeaseRevokeResponse: HEADER,
  LeaseKeepAliveRequest: { ID: 'int64 1' },
  LeaseKeepAliveResponse: { ...HEADER, ID: 'int64 2', TTL: 'int64 3' },
  WatchCreateRequest: {
    key: 'bytes 1',
    range_end: 'bytes 2',
    start_revision: 'int64 3',
    progress_notify: 'bool 4',
    filters: '*int32 5',
    fragment: 'bool 8',
  },
  WatchRequest: { create_request: 'WatchCreateRequest 1' },
  WatchResponse: {
    ...HEADER,
    watch_id: 'int64 2',
    created: 'bool 3',
    canceled: 'bool 4',
    compact_revision: 'int64 5',
    cancel_reason: 'string 6',
    fragment: 'bool 7',
    events: '*Event 11',
  },
  StatusRequest: {},
  StatusResponse: { ...HEADER, version: 'string 2', dbSize: 'int64 3', leader: 'uint64 4' },
  AuthenticateRequest: { name: 'string 1', password: 'string 2' },
  AuthenticateResponse: { ...HEADER, token: 'string 2' },
}

/** Fields of which a message has one at most. */
const ONE_OF: Readonly<Record<string, { name: string; fields: readonly string[] }>> = {
  RequestOp: {
    name: 'request',
    fields: ['request_range', 'request_put', 'request_delete_range'],
  },
  ResponseOp: {
    name: 'response',
    fields: ['response_range', 'response_put', 'response_delete_range'],
  },
  Compare: { name: 'target_union', fields: ['create_revision', 'mod_revision', 'value'] },
  WatchRequest: { name: 'request_union', fields: ['create_request'] },
}

/** Their methods; `~` marks a stream of requests and one of answers. */
const SERVICES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  KV: { Range: 'Range', Txn: 'Txn', Compact: 'Compaction', DeleteRange: 'DeleteRange' },
  Lease: {
    LeaseGrant: 'LeaseGrant',
    LeaseRevoke: 'LeaseRevoke',
    LeaseKeepAlive: '~LeaseKeepAlive',
  },
  Watch: { Watch: '~Watch' },
  Maintenance: { Status: 'Status' },
  Auth: { Authenticate: 'Authenticate' },
}

function messageOf(name: string, fields: Fields): object {
  const described = Object.entries(fields).map(([field, text]) => {
    const [type, id] = text.split(' ')
    const rule = type.startsWith('*') ? { rule: 'repeated' } : {}
    return [field, { ...rule, type: type.replace('*', ''), id: Number(id) }]
  })
  const oneOf = ONE_OF[name]
  return {
    fields: Object.fromEntries(described),
    ...(oneOf && { oneofs: { [oneOf.name]: { oneof: oneOf.fields } } }),
  }
}

function serviceOf(methods: Readonly<Record<string, string>>): object {
  const described = Object.entries(methods).map(([name, text]) => {
    const streams = text.startsWith('~')
    const base = text.replace('~', '')
    return [
      name,
      {
        requestType: `${base}Request`,
        responseType: `${base}Response`,
        requestStream: streams,
        responseStream: streams,
      },
    ]
  })
  return { methods: Object.fromEntries(described) }
}

/** The API as protobufjs reads it from JSON. */
export function apiDescription(): { nested: Record<string, object> } {
  const messages = Object.entries(MESSAGES).map(([name, fields]) => [name, messageOf(name, fields)])
  const services = Object.entries(SERVICES).map(([name, methods]) => [name, serviceOf(methods)])
  return { nested: { [ROOT]: { nested: Object.fromEntries([...messages, ...services]) } } }
}
