import type { CataloguedCommand } from '../access/command-catalogue.ts'
import { READ, WRITE } from '../access/selector.ts'
import { categoriesOf } from './categories.ts'
import type { Command } from './command.ts'
import type { CommandAccess } from './command-access.ts'
import { keySpecsOf } from './key-specs.ts'

/** What READ and WRITE a key's flags stand for. */
export function accessOf(flags: readonly string[]): number {
  const writes = flags.some((flag) => ['insert', 'delete', 'update'].includes(flag))
  return (flags.includes('access') ? READ : 0) | (writes ? WRITE : 0)
}

/** @param id the command's number in the catalogue */
export function accessOfCommand(command: Command, id: number): CommandAccess {
  const { keyFlagsOf } = command
  return {
    id,
    open: command.flags.includes('no_auth'),
    keys: keySpecsOf(command).map(({ first, last, step, flags }) => ({
      first,
      last,
      step,
      access: accessOf(flags),
    })),
    reach: command.reach,
    channels: command.channels,
    accessToAll: command.flags.includes('write') ? WRITE : READ,
    accessOf: keyFlagsOf && ((request) => accessOf(keyFlagsOf(request))),
  }
}

/** The command as the catalogue of users' rules has it. */
export function cataloguedCommand(command: Command): CataloguedCommand {
  return {
    name: command.name,
    categories: categoriesOf(command),
    subcommands: (command.subcommands ?? []).map(cataloguedCommand),
  }
}
