import { CATEGORIES, type Category } from '../access/categories.ts'
import type { Command, Flag, Group } from './command.ts'

/** The ACL category that goes with a group, of commands that can be called. */
const GROUP_CATEGORY: Readonly<Partial<Record<Group, Category>>> = {
  generic: 'keyspace',
  string: 'string',
  connection: 'connection',
  transactions: 'transaction',
}

/** A command's ACL categories, without their @, in Redis's order. */
export function categoriesOf(command: Command): readonly Category[] {
  const { flags, group, keys, run } = command
  const has = (flag: Flag): boolean => flags.includes(flag)
  const ofGroup = run === undefined ? undefined : GROUP_CATEGORY[group]
  const all = new Set(command.categories ?? (ofGroup === undefined ? [] : [ofGroup]))
  if (group === 'tree') all.add('tree')
  if (group === 'tree' && keys !== undefined) all.add('keyspace')
  if (has('readonly')) all.add('read')
  for (const same of ['write', 'pubsub', 'admin', 'blocking'] as const) if (has(same)) all.add(same)
  if (all.has('admin')) all.add('dangerous')
  all.add(has('fast') ? 'fast' : 'slow')
  return CATEGORIES.filter((category) => all.has(category))
}
