import { type CataloguedCommand, CommandCatalogue } from '../access/command-catalogue.ts'
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
  const { keyFlagsOf, arity, reach = 'node', channels } = command
  const specs = keySpecsOf(command)
  const isOne = specs.length === 1 && specs[0].first === specs[0].last
  const oneKey = isOne && reach === 'node' && channels === undefined ? specs[0].first : 0
  // The flags that depend on options are known of a request without any.
  const plain = keyFlagsOf?.(new Array<string>(Math.abs(arity)).fill(''))
  return {
    id,
    oneKey,
    oneKeyLength: plain === undefined ? 0 : Math.abs(arity),
    oneKeyAccess: oneKey === 0 ? 0 : accessOf(plain ?? specs[0].flags),
    open: command.flags.includes('no_auth'),
    keys: specs.map(({ first, last, step, flags }) => ({
      first,
      last,
      step,
      access: accessOf(flags),
    })),
    reach: command.reach,
    channels,
    accessToAll: command.flags.includes('write') ? WRITE : READ,
    accessOf: keyFlagsOf && ((request) => accessOf(keyFlagsOf(request))),
  }
}

/** The command as the catalogue of users' rules has it. */
function cataloguedCommand(command: Command): CataloguedCommand {
  return {
    name: command.name,
    categories: categoriesOf(command),
    subcommands: (command.subcommands ?? []).map(cataloguedCommand),
  }
}

/** Numbers the commands, for the rules of users. */
export function catalogueOf(commands: readonly Command[]): CommandCatalogue {
  return new CommandCatalogue(commands.map(cataloguedCommand))
}
