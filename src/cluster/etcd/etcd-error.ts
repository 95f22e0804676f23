import type { ServiceError } from '@grpc/grpc-js'

// Codes of gRPC.
export const DEADLINE_EXCEEDED = 4
const INVALID_ARGUMENT = 3
/** Of a lease: it has run out. */
export const NOT_FOUND = 5
const PERMISSION_DENIED = 7
export const RESOURCE_EXHAUSTED = 8
const FAILED_PRECONDITION = 9
const OUT_OF_RANGE = 11
export const UNAVAILABLE = 14
export const UNAUTHENTICATED = 16

const NO_SPACE = /space exceeded/
/** etcd has not applied what others have asked for. */
const BUSY = /^etcdserver: too many requests/
/** What etcd says of a user or a password that it does not take, with codes that differ from version to version. */
const NO_LOGIN =
  /^etcdserver: (authentication failed|authentication is not enabled|user name (is empty|not found))/
/** What etcd says of a token that it knows no more, or that is older than a change of its users. */
const STALE_TOKEN = /invalid auth token|revision of auth store is old/

/** With these codes etcd refuses a request before it does anything. */
const REFUSALS = [
  INVALID_ARGUMENT,
  PERMISSION_DENIED,
  FAILED_PRECONDITION,
  OUT_OF_RANGE,
  UNAUTHENTICATED,
]
/**
 * Messages that say the same, with a code that does not: gRPC and what stands between have it for a request that was sent,
 * too. {@link EtcdError.isNoSpace} is an exception.
 */
const REFUSED = [
  /^No connection established/,
  /^etcdserver: no leader/,
  BUSY,
  NO_SPACE,
  /received message larger than max/,
]

/** An attempt that has failed. */
export class EtcdError extends Error {
  override name = 'EtcdError'
  readonly code: number
  /** Whether etcd has certainly not done what was asked, nor will. */
  readonly refused: boolean

  constructor(message: string, code: number, refused: boolean) {
    super(message)
    this.code = code
    this.refused = refused
  }

  /** The member, or the way to it, has failed: another one may be better. */
  get isOfMember(): boolean {
    return this.code === UNAVAILABLE || this.code === DEADLINE_EXCEEDED
  }

  /** etcd has reached its quota. The request with which it does may be made all the same. */
  get isNoSpace(): boolean {
    return this.code === RESOURCE_EXHAUSTED && NO_SPACE.test(this.message)
  }

  /** etcd does not know any more who asks, and has done nothing. */
  get isOfToken(): boolean {
    return this.code === UNAUTHENTICATED || STALE_TOKEN.test(this.message)
  }

  /** etcd does not let this user do it, or does not let it in, and has done nothing. */
  get isOfRights(): boolean {
    return this.code === PERMISSION_DENIED || NO_LOGIN.test(this.message)
  }

  /** What has failed may pass by itself, so the next attempt may succeed. */
  get isPassing(): boolean {
    return !this.refused || this.isOfMember || this.isOfToken || BUSY.test(this.message)
  }
}

/** @param error what gRPC has reported */
export function etcdErrorOf(error: ServiceError): EtcdError {
  const { code, details } = error
  const refused = REFUSALS.includes(code) || REFUSED.some((text) => text.test(details))
  return new EtcdError(details || error.message, code, refused)
}

/** Whether an error says that etcd has reached its quota: see {@link EtcdError.isNoSpace}. */
export function isNoSpace(error: unknown): error is EtcdError {
  return error instanceof EtcdError && error.isNoSpace
}
