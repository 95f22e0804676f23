/** etcd's messages, as `messages.ts` describes them. Fields that are not set have their defaults. */

export interface ResponseHeader {
  /** As exactly as a number has it. */
  readonly cluster_id: number
  /** Of etcd's store, at the time of the answer. */
  readonly revision: number
  readonly raft_term: number
}

export interface KeyValue {
  readonly key: Buffer
  readonly create_revision: number
  readonly mod_revision: number
  readonly value: Buffer
  readonly lease: number
}

export interface RangeRequest {
  readonly key: Buffer
  readonly range_end?: Buffer
  readonly limit?: number
  readonly revision?: number
  readonly serializable?: boolean
  readonly keys_only?: boolean
  readonly count_only?: boolean
}

export interface RangeResponse {
  readonly header: ResponseHeader
  readonly kvs: readonly KeyValue[]
  readonly more: boolean
  readonly count: number
}

export interface RequestOp {
  readonly request_range?: RangeRequest
  readonly request_put?: {
    readonly key: Buffer
    readonly value: Uint8Array
    readonly lease?: number
  }
  readonly request_delete_range?: { readonly key: Buffer; readonly range_end?: Buffer }
}

export interface ResponseOp {
  readonly response_range?: RangeResponse
  readonly response_delete_range?: { readonly deleted: number }
}

export const EQUAL = 0
export const GREATER = 1
export const LESS = 2

export const CREATE = 1
export const MOD = 2
export const VALUE = 3

export interface Compare {
  readonly result: number
  readonly target: number
  readonly key: Buffer
  /** If it is set, all keys of the range are compared. */
  readonly range_end?: Buffer
  readonly create_revision?: number
  readonly mod_revision?: number
  readonly value?: Buffer
}

export interface TxnRequest {
  readonly compare: readonly Compare[]
  readonly success: readonly RequestOp[]
  readonly failure?: readonly RequestOp[]
}

export interface TxnResponse {
  readonly header: ResponseHeader
  readonly succeeded: boolean
  readonly responses: readonly ResponseOp[]
}

export const PUT = 0

export interface WatchEvent {
  readonly type: number
  readonly kv: KeyValue
}

export interface WatchCreateRequest {
  readonly key: Buffer
  readonly range_end: Buffer
  readonly start_revision: number
  readonly filters?: readonly number[]
  readonly fragment?: boolean
  readonly progress_notify?: boolean
}

export interface WatchResponse {
  readonly header: ResponseHeader
  readonly created: boolean
  readonly canceled: boolean
  /** Not 0 if the watch has been cancelled because what it asks for is compacted away. */
  readonly compact_revision: number
  readonly cancel_reason: string
  readonly events: readonly WatchEvent[]
}

export interface StatusResponse {
  readonly header: ResponseHeader
  readonly version: string
  readonly dbSize: number
}

/** Exists. */
export function exists(key: Buffer): Compare {
  return { result: GREATER, target: CREATE, key, create_revision: 0 }
}

/** Does not exist. */
export function isAbsent(key: Buffer): Compare {
  return { result: EQUAL, target: CREATE, key, create_revision: 0 }
}

/** Nothing is in a range. */
export function isEmpty({ key, range_end }: { key: Buffer; range_end: Buffer }): Compare {
  return { ...isAbsent(key), range_end }
}

/** Has been put last at a revision; 0 if it is not there. */
export function isPutAt(key: Buffer, mod_revision: number): Compare {
  return { result: EQUAL, target: MOD, key, mod_revision }
}

/** Has a value. */
export function hasValue(key: Buffer, value: Buffer): Compare {
  return { result: EQUAL, target: VALUE, key, value }
}
