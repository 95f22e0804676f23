import {
  type Client,
  type ClientDuplexStream,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js'
import { agreedCluster } from './agreed-cluster.ts'
import { type Certificates, openChannel } from './channel.ts'
import { ClusterIdentity } from './cluster-identity.ts'
import { DEADLINE_EXCEEDED, EtcdError, etcdErrorOf, UNAVAILABLE } from './etcd-error.ts'
import { AUTH, KV, LEASE, MAINTENANCE, WATCH } from './methods.ts'
import { ATTEMPT_MS, MAX_ATTEMPT_MS, Patience } from './patience.ts'
import type {
  RangeRequest,
  RangeResponse,
  StatusResponse,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchResponse,
} from './types.ts'

export interface EtcdOptions extends Certificates {
  /** URLs. */
  readonly endpoints: readonly string[]
  readonly user?: string
  readonly password?: string
  /** Called now and then while etcd refuses a user that it has admitted before. @param why etcd's own words */
  onRefused?(why: string): void
  /** Called when a member is left out because it is of another cluster. */
  onForeign?(url: string): void
}

/** An attempt to keep a lease is given no more than this, in milliseconds: it has to be kept in time. */
const MAX_KEEP_MS = 4000
/** A login may take this long, in milliseconds. */
const LOGIN_MS = 3000
/** After a refused login none is tried for this time, in milliseconds, because etcd makes the check of a password slow. */
const LOGIN_PAUSE_MS = 500
/** A refusal is told this often, in milliseconds. */
const TELL_MS = 5000
/** A call that only reads is tried again after this time, in milliseconds. */
const RETRY_MS = 50

/** What each answer tells of the cluster that has given it. */
interface Answered {
  readonly header?: { readonly cluster_id: number } | null
}

/** A stream of requests and answers that can be ended. */
export interface Stream {
  /** Ends it; nothing more is reported. */
  cancel(): void
  /** Has answers wait at the other side, except a few that are on their way. */
  pause(): void
  resume(): void
}

export interface StreamEvents<Answer> {
  onAnswer(answer: Answer): void
  /** The stream has ended. */
  onEnd(error: EtcdError): void
}

/** A cluster of etcd, through one of its members at a time. */
export class Etcd {
  readonly #options: EtcdOptions
  readonly #members: readonly Client[]
  readonly #patience: Patience
  readonly #identity: ClusterIdentity
  /** Checks of members that are on their way. */
  readonly #checks = new Map<number, Promise<void>>()
  #current = 0
  #token: string | undefined
  #loggingIn: Promise<void> | undefined
  #closed = false
  #trouble: string | undefined = 'no answer yet'
  #isAdmitted = false
  #toldAt = Number.NEGATIVE_INFINITY
  /** The last refused login, and until when there is no other, on the scale of `performance.now`. */
  #refusedLogin: { readonly error: EtcdError; readonly until: number } | undefined

  /** @throws the system's error if a file of a certificate cannot be read */
  constructor(options: EtcdOptions) {
    this.#options = options
    this.#members = options.endpoints.map((url) => openChannel(url, options))
    this.#identity = new ClusterIdentity(options.endpoints, (url) => options.onForeign?.(url))
    this.#patience = new Patience(this.#members.length)
  }

  /**
   * etcd has let this node do all that it needs. What it refuses from now on, somebody has taken away, and may give back: a user,
   * a password, a role, a permission.
   */
  noteAdmitted(): void {
    this.#isAdmitted = true
  }

  /** Whether the next attempt may succeed after one that has failed. */
  mayPass({ isPassing, isOfRights }: EtcdError): boolean {
    return isPassing || (isOfRights && this.#isAdmitted)
  }

  /** Goes on with the next member. */
  rotate(): void {
    this.#current = this.#identity.after(this.#current)
  }

  /** What etcd calls the cluster that is served; undefined before its first answer. */
  get cluster(): number | undefined {
    return this.#identity.id
  }

  /** Whether all endpoints have become those of another cluster. */
  get isReplaced(): boolean {
    return this.#identity.isReplaced
  }

  /**
   * Finds out which cluster is served: the one that most endpoints are of. Waits while they disagree.
   *
   * @param known the cluster that the node has served before, if it knows
   * @param warn called now and then meanwhile
   */
  async agree(known: number | undefined, warn: (what: string) => void): Promise<void> {
    const { endpoints } = this.#options
    if (endpoints.length === 1) return
    const ask = (member: number, timeout: number): Promise<number | undefined> =>
      this.#send<Answered>(member, MAINTENANCE.Status, {}, timeout, new Metadata()).then(
        ({ header }) => header?.cluster_id ?? 0,
        ({ isOfMember }: EtcdError) => (isOfMember ? undefined : 0),
      )
    const isClosed = (): boolean => this.#closed
    const { id, answers } = await agreedCluster({ urls: endpoints, ask, isClosed, warn }, known)
    this.#identity.settle(id, answers)
    this.#current = this.#identity.after(endpoints.length - 1)
  }

  /** One attempt. @param timeout it is given more while etcd is slow @throws EtcdError */
  txn(request: TxnRequest, timeout = ATTEMPT_MS): Promise<TxnResponse> {
    return this.#attempt(KV.Txn, request, this.#atLeast(timeout))
  }

  /** Reads, and tries again until it succeeds. @throws EtcdError if it never will, or is closed */
  range(request: RangeRequest): Promise<RangeResponse> {
    return this.#insist(KV.Range, request)
  }

  /** Like {@link txn}, for an attempt to read. @throws EtcdError */
  rangeOnce(request: RangeRequest, timeout = ATTEMPT_MS): Promise<RangeResponse> {
    return this.#attempt(KV.Range, request, this.#atLeast(timeout))
  }

  /** Transacts, and tries again until it succeeds: the caller's transaction may be made twice. */
  txnAgain(request: TxnRequest): Promise<TxnResponse> {
    return this.#insist(KV.Txn, request)
  }

  status(): Promise<StatusResponse> {
    return this.#insist(MAINTENANCE.Status, {})
  }

  /** Forgets revisions before the given one. @throws EtcdError */
  async compact(revision: number): Promise<void> {
    await this.#attempt(KV.Compact, { revision, physical: true }, ATTEMPT_MS * 5)
  }

  /** One attempt. @param ttl seconds @throws EtcdError */
  async grantLease(id: number, ttl: number, timeout = ATTEMPT_MS): Promise<void> {
    await this.#attempt(LEASE.LeaseGrant, { ID: id, TTL: ttl }, timeout)
  }

  /** Keeps a lease. @returns its seconds; 0 if it has run out @throws EtcdError */
  keepLease(id: number): Promise<number> {
    return this.#within(Math.min(this.#patience.ms, MAX_KEEP_MS), (done) => {
      const stream = this.#open<{ TTL: number }>(LEASE.LeaseKeepAlive, { ID: id }, true, {
        onAnswer: ({ TTL }) => {
          stream.cancel()
          done(undefined, TTL)
        },
        onEnd: (error) => done(error, 0),
      })
      return () => stream.cancel()
    })
  }

  /** @throws EtcdError */
  async revokeLease(id: number): Promise<void> {
    await this.#attempt(LEASE.LeaseRevoke, { ID: id }, ATTEMPT_MS)
  }

  /** Watches a range of keys. A member that loses its leader ends it. */
  watch(request: WatchCreateRequest, events: StreamEvents<WatchResponse>): Stream {
    return this.#open(WATCH.Watch, { create_request: request }, false, events)
  }

  close(): void {
    this.#closed = true
    for (const member of this.#members) member.close()
  }

  /** Why the last attempt has failed; undefined if etcd has answered it. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  get closed(): boolean {
    return this.#closed
  }

  /** A time for an attempt, or more while etcd is slow, in milliseconds. */
  #atLeast(timeout: number): number {
    return Math.max(timeout, this.#patience.ms)
  }

  async #insist<Answer>(
    method: MethodDefinition<object, object>,
    request: object,
  ): Promise<Answer> {
    for (let timeout = ATTEMPT_MS; ; timeout = Math.min(2 * timeout, MAX_ATTEMPT_MS)) {
      try {
        return await this.#attempt<Answer>(method, request, timeout)
      } catch (error) {
        if (!(error instanceof EtcdError) || this.#closed) throw error
        if (!this.mayPass(error)) throw error
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      }
    }
  }

  async #attempt<Answer>(
    method: MethodDefinition<object, object>,
    request: object,
    timeout: number,
  ): Promise<Answer> {
    await this.#login()
    const token = this.#token
    try {
      return await this.#call(method, request, timeout)
    } catch (error) {
      // etcd forgets tokens: after some minutes, and when a member starts anew. Another request may have met that first,
      // and this one may have been made.
      const isForgotten = error instanceof EtcdError && error.isOfToken
      if (token === undefined || this.#token !== undefined || !isForgotten) throw error
      await this.#login()
      return this.#call(method, request, timeout)
    }
  }

  /** All requests that need a token share one login, because etcd makes the check of a password slow. */
  #login(): Promise<void> | undefined {
    const { user } = this.#options
    if (user === undefined || user === '' || this.#token !== undefined) return
    const { error, until = 0 } = this.#refusedLogin ?? {}
    if (performance.now() < until) return Promise.reject(error)
    this.#loggingIn ??= this.#authenticate(user).finally(() => {
      this.#loggingIn = undefined
    })
    return this.#loggingIn
  }

  /** @throws EtcdError that says that nothing has been done: what needs the token has not been sent */
  async #authenticate(name: string): Promise<void> {
    const request = { name, password: this.#options.password ?? '' }
    try {
      const answer = await this.#call<{ token: string }>(AUTH.Authenticate, request, LOGIN_MS)
      this.#token = answer.token
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error
      const refusal = new EtcdError(error.message, error.code, true)
      if (error.isOfRights) {
        this.#refusedLogin = { error: refusal, until: performance.now() + LOGIN_PAUSE_MS }
      }
      throw refusal
    }
  }

  async #call<Answer>(
    method: MethodDefinition<object, object>,
    request: object,
    timeout: number,
  ): Promise<Answer> {
    const member = this.#current
    if (this.#identity.needsCheck(member)) await this.#check(member, timeout)
    const answer = await this.#send<Answer & Answered>(
      member,
      method,
      request,
      timeout,
      this.#metadata(),
    )
    const foreign = this.#foreign(member, answer)
    if (foreign !== undefined) throw foreign
    return answer
  }

  /** Has a member tell its cluster. @throws EtcdError that says that nothing has been done */
  #check(member: number, timeout: number): Promise<void> {
    const present = this.#checks.get(member)
    if (present !== undefined) return present
    const metadata = new Metadata()
    metadata.set('hasleader', 'true')
    const check = this.#send<Answered>(member, MAINTENANCE.Status, {}, timeout, metadata)
      .then(
        (answer) => this.#foreign(member, answer),
        (error: unknown) => {
          if (!(error instanceof EtcdError)) throw error
          // What stands between, or does not let this node ask, does not tell.
          return error.isOfMember ? new EtcdError(error.message, error.code, true) : undefined
        },
      )
      .then((error) => {
        if (error !== undefined) throw error
      })
      .finally(() => this.#checks.delete(member))
    this.#checks.set(member, check)
    return check
  }

  /** @returns an error if an answer comes from another cluster, in which nothing counts that has been done */
  #foreign(member: number, { header }: Answered): EtcdError | undefined {
    if (this.#identity.hear(member, header?.cluster_id)) return
    return this.#failed(new EtcdError(this.#identity.reasonFor(member), UNAVAILABLE, true), member)
  }

  #send<Answer>(
    member: number,
    { path, requestSerialize, responseDeserialize }: MethodDefinition<object, object>,
    request: object,
    timeout: number,
    metadata: Metadata,
  ): Promise<Answer> {
    if (this.#closed) return Promise.reject(new EtcdError('closed', UNAVAILABLE, true))
    // What is given more by its nature (long parts, a login) tells nothing of the others.
    const isUsual = timeout <= this.#patience.ms
    const began = performance.now()
    const options = { deadline: Date.now() + timeout }
    return new Promise((resolve, reject) => {
      this.#members[member].makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        options,
        (error: ServiceError | null, answer) => {
          if (error === null) {
            this.#trouble = undefined
            if (isUsual) this.#patience.noteAnswer(performance.now() - began)
            resolve(answer as Answer)
          } else {
            if (isUsual && error.code === DEADLINE_EXCEEDED) this.#patience.noteLate(timeout)
            reject(this.#failed(etcdErrorOf(error), member))
          }
        },
      )
    })
  }

  #open<Answer>(
    { path, requestSerialize, responseDeserialize }: MethodDefinition<object, object>,
    request: object,
    ends: boolean,
    events: StreamEvents<Answer>,
  ): Stream {
    const member = this.#current
    let isOver = false
    const stream: ClientDuplexStream<object, object> = this.#members[member].makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      this.#metadata(),
      {},
    )
    const end = (error: EtcdError): void => {
      if (isOver) return
      isOver = true
      events.onEnd(this.#failed(error, member))
    }
    stream.on('data', (answer) => {
      if (isOver) return
      if (this.#identity.hear(member, (answer as Answered).header?.cluster_id)) {
        events.onAnswer(answer as Answer)
        return
      }
      stream.cancel()
      end(new EtcdError(this.#identity.reasonFor(member), UNAVAILABLE, true))
    })
    stream.on('error', (error) => end(etcdErrorOf(error as ServiceError)))
    stream.on('end', () => end(new EtcdError('the stream has ended', UNAVAILABLE, false)))
    stream.write(request)
    if (ends) stream.end()
    return {
      cancel: () => {
        isOver = true
        stream.cancel()
      },
      pause: () => stream.pause(),
      resume: () => stream.resume(),
    }
  }

  #within<T>(
    ms: number,
    begin: (done: (error: EtcdError | undefined, result: T) => void) => () => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        cancel()
        this.rotate()
        reject(new EtcdError('no answer in time', UNAVAILABLE, false))
      }, ms)
      const cancel = begin((error, result) => {
        clearTimeout(timer)
        if (error === undefined) resolve(result)
        else reject(error)
      })
    })
  }

  #metadata(): Metadata {
    const metadata = new Metadata()
    metadata.set('hasleader', 'true')
    if (this.#token !== undefined) metadata.set('token', this.#token)
    return metadata
  }

  /** Chooses what the next attempt is made with. @param member the one that has failed */
  #failed(error: EtcdError, member: number): EtcdError {
    if (error.isOfToken) this.#token = undefined
    this.#trouble = error.message
    if (error.isOfMember) this.#identity.doubt(member)
    if (error.isOfMember && member === this.#current) this.rotate()
    if (error.isOfRights && this.#isAdmitted) this.#tellRefusal(error)
    return error
  }

  #tellRefusal({ message }: EtcdError): void {
    const now = performance.now()
    if (now - this.#toldAt < TELL_MS) return
    this.#toldAt = now
    this.#options.onRefused?.(message)
  }
}
