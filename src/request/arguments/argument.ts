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
  /** The word that introduces it, or that it consists of. */
  readonly token?: string
  readonly optional?: true
  readonly multiple?: true
  /** The members of a `oneof` or a `block`. */
  readonly args?: readonly Argument[]
}

/** The options found in a request, by the name of their argument; a pure token's value is ''. */
export type Options = ReadonlyMap<string, string>

/** The arguments that most commands begin with. */
export const KEY: Argument = { name: 'key', type: 'key' }
export const PATH: Argument = { name: 'path', type: 'key' }
export const VALUE: Argument = { name: 'value', type: 'string' }
