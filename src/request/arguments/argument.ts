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
  /** The word before the argument's value, or the whole argument if it is a pure token. */
  readonly token?: string
  readonly optional?: true
  readonly multiple?: true
  /** The members of a `oneof` or a `block`. */
  readonly args?: readonly Argument[]
}

/** The options of a request, by the name of their argument; the value of a pure token is ''. */
export type Options = ReadonlyMap<string, string>

/** The first arguments of most commands. */
export const KEY: Argument = { name: 'key', type: 'key' }
export const PATH: Argument = { name: 'path', type: 'key' }
export const VALUE: Argument = { name: 'value', type: 'string' }
