import type { Value } from '../../store/value.ts'

/** An argument, as COMMAND DOCS describes it. */
export interface Argument {
  readonly name: string
  readonly type:
    | 'key'
    | 'string'
    | 'integer'
    | 'double'
    | 'pattern'
    | 'unix-time'
    | 'pure-token'
    | 'oneof'
    | 'block'
  /** The argument is a value: the command takes it as it came, large ones as Buffers. */
  readonly value?: true
  /** The word before the argument's value, or the whole argument if it is a pure token. */
  readonly token?: string
  readonly optional?: true
  readonly multiple?: true
  /** The members of a `oneof` or a `block`. */
  readonly args?: readonly Argument[]
}

/** The options of a request, by the name of their argument; what a pure token has is ''. */
export interface Options {
  readonly size: number
  has(name: string): boolean
  get(name: string): string | undefined
  /** Like `get`, for an argument that is a value. */
  value(name: string): Value | undefined
}

/** The first arguments of most commands. */
export const KEY: Argument = { name: 'key', type: 'key' }
export const PATH: Argument = { name: 'path', type: 'key' }
export const VALUE: Argument = { name: 'value', type: 'string', value: true }
