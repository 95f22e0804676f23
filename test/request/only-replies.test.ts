import { expect, test } from 'vitest'
import { commandTable } from '../../src/commands/table.ts'
import { catalogueOf } from '../../src/request/access-of-command.ts'
import { type PreparedCommand, prepareCommand } from '../../src/request/prepared-command.ts'

/** What changes something beside the tree: the client, the server, or what others get. */
const CHANGES = [
  'subscribe unsubscribe psubscribe punsubscribe publish',
  'hello auth quit reset select client|setname client|setinfo client|kill client|reply',
  'client|no-evict client|no-touch client|pause client|unpause client|tracking',
  'config|set config|resetstat config|rewrite',
  'acl|deluser acl|load acl|log acl|save acl|setuser',
  'save bgsave bgrewriteaof monitor shutdown multi exec discard watch unwatch wait debug',
  'memory|purge latency|reset slowlog|reset',
].flatMap((names) => names.split(' '))

test('a command writes, changes something else, or only replies', () => {
  const catalogue = catalogueOf(commandTable)
  const all = commandTable
    .map((command) => prepareCommand(command, command.name, catalogue))
    .flatMap((each): PreparedCommand[] => [each, ...(each.subcommands?.values() ?? [])])
    .filter(({ run, writes }) => run !== undefined && !writes)
  const changing = all.filter(({ onlyReplies }) => !onlyReplies).map(({ fullName }) => fullName)
  expect(changing.sort()).toEqual(CHANGES.sort())
})
