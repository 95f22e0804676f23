import type { CommandStats } from '../metrics/counters.ts'
import type { Options } from './arguments/argument.ts'
import type { Command } from './command.ts'
import { OptionParser } from './option-parser.ts'

/** A command, or a subcommand, ready to be called: what each request needs of its declaration. */
export interface PreparedCommand {
  readonly command: Command
  /** `client|list` for a subcommand. */
  readonly fullName: string
  readonly arity: number
  readonly options: OptionParser | undefined
  /** Whether it may change the tree. */
  readonly writes: boolean
  /** Whether it may take more memory. */
  readonly grows: boolean
  /** Whether it runs at once inside MULTI, rather than being queued. */
  readonly inMulti: boolean
  /** Does it end a transaction, so that lack of memory must not hold it back? */
  readonly endsMulti: boolean
  readonly noMulti: boolean
  readonly isExec: boolean
  readonly protectedBy: Command['protectedBy']
  readonly run: Command['run']
  readonly subcommands: ReadonlyMap<string, PreparedCommand> | undefined
  /** Absent until it is first called. */
  stats: CommandStats | undefined
}

/** Those besides EXEC, which depends on what is queued (Redis). */
const ENDS_MULTI = ['discard', 'quit', 'reset']

export const NO_OPTIONS: Options = new Map<string, string>()

/** @param fullName `client|list` for a subcommand */
export function prepareCommand(command: Command, fullName: string): PreparedCommand {
  const subcommands = command.subcommands?.map(
    (subcommand) =>
      [subcommand.name, prepareCommand(subcommand, `${fullName}|${subcommand.name}`)] as const,
  )
  return {
    command,
    fullName,
    arity: command.arity,
    options: command.parsed === true ? new OptionParser(command) : undefined,
    writes: command.flags.includes('write'),
    grows: command.flags.includes('denyoom'),
    inMulti: command.inMulti === true,
    endsMulti: ENDS_MULTI.includes(fullName),
    noMulti: command.flags.includes('no_multi'),
    isExec: fullName === 'exec',
    protectedBy: command.protectedBy,
    run: command.run,
    subcommands: subcommands === undefined ? undefined : new Map(subcommands),
    stats: undefined,
  }
}
