import type { Value } from '../store/value.ts'

/** A request: the command's name, and its arguments, the large ones as Buffers. */
export type RequestArguments = readonly [name: string, ...args: Value[]]
