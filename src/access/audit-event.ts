/** Who did it. */
export interface AuditedClient {
  readonly id: number
  /** `host:port`, or `path:0` of a Unix socket. */
  readonly address: string
  readonly user: { readonly name: string }
}

/** What a line tells besides who it was. All strings are binary; no values and no passwords. */
export interface AuditedFacts {
  /** The command's full name. */
  readonly command?: string
  readonly keys?: readonly string[]
  /** Users or directives. */
  readonly names?: readonly string[]
  /** Whom somebody has tried to log in as. */
  readonly as?: string
  /** `certificate`, for a login without a password. */
  readonly by?: string
  /** `command`, `key` or `channel`: what was denied. */
  readonly reason?: string
  readonly channels?: readonly string[]
  /** How many requests the line stands for, if not for one. */
  readonly count?: number
}

export type AuditEvent =
  | 'login'
  | 'login-failed'
  | 'denied'
  | 'users'
  | 'configuration'
  | 'certificates'
  | 'shutdown'
  | 'recover'
  | 'flush'
