import type { Category } from '../../../src/access/categories.ts'
import type { CataloguedCommand } from '../../../src/access/command-catalogue.ts'
import { encode, parseReplies, Talk, type Value } from './pair.ts'

const LOOKUPS = 20
/** An argument that no command has as a subcommand. */
const FIRST = 'zz'

type Info = readonly Value[]

/** On a connection that stays open: Redis does not send all of a long reply to one that ends. */
async function ask(port: number, ...requests: string[][]): Promise<Value[]> {
  const talk = await Talk.open(port)
  const end = encode('PING', 'END')
  const output = await talk.ask(
    requests.map((request) => encode(...request)).join('') + end,
    '$3\r\nEND\r\n',
  )
  talk.close()
  return parseReplies(output)
}

function catalogued(info: Info, name: string): CataloguedCommand {
  const categories = (info[6] as string[]).map((category) => category.slice(1) as Category)
  const subcommands = (info[9] as Info[]).map((each) =>
    catalogued(each, String(each[0]).slice(name.length + 1)),
  )
  return { name, categories, subcommands }
}

/**
 * The command table of a running Redis, in the order in which it goes through it when it describes a
 * user: another one each time that it is started.
 */
export async function catalogueOfRedis(port: number): Promise<CataloguedCommand[]> {
  // Looking up a name moves a part of a table that has grown to its new place, and so changes its
  // order: it is looked up until all has been moved.
  const known = (await ask(port, ['COMMAND', 'LIST']))[0] as string[]
  const lookups = known.map((name) => ['ACL', 'SETUSER', 'order', `+${name}`])
  for (let round = 0; round < LOOKUPS; round++) await ask(port, ...lookups)
  const all = (await ask(port, ['COMMAND']))[0] as Info[]
  const commands = new Map(all.map((info) => [String(info[0]), catalogued(info, String(info[0]))]))
  // Rules that allow a first argument only are shown in that order, and for no category.
  const rules = [...commands.values()].map(({ name, subcommands }) =>
    subcommands.length === 0 ? `+${name}|${FIRST}` : `+${name}|${subcommands[0].name}`,
  )
  const replies = await ask(
    port,
    ['ACL', 'SETUSER', 'order', 'reset', ...rules],
    ['ACL', 'GETUSER', 'order'],
    ['ACL', 'DELUSER', 'order'],
  )
  const fields = replies[1] as string[]
  const described = fields[fields.indexOf('commands') + 1].split(' ')
  const names = described.slice(1).map((rule) => rule.slice(1).split('|')[0])
  if (new Set(names).size !== commands.size) throw new Error(`not the table: ${described}`)
  return names.flatMap((name) => commands.get(name) ?? [])
}
