import { expect, test } from 'vitest'
import { commandTable } from '../../src/commands/table.ts'
import { catalogueOf } from '../../src/request/access-of-command.ts'
import { type PreparedCommand, prepareCommand } from '../../src/request/prepared-command.ts'

/** Commands that an EXEC may call as often as its client has sent them, by reason. */
const NOT_BROAD: Readonly<Record<string, string>> = {
  'looks at the keys, channels or names that it is given':
    'get mget strlen exists touch type ttl pttl expiretime pexpiretime object|encoding object|freq ' +
    'object|idletime object|refcount psubscribe echo ping latency|reset',
  'ends what the client itself has begun': 'kunwatch unsubscribe punsubscribe unwatch',
  'a log puts it in order, and others get the message': 'publish',
  'returns or sets a few fields':
    'kindex kversion kstats ksync knodes wait hello auth select role lastsave time lolwut ' +
    'client|id client|getname client|setname client|setinfo client|info client|reply client|no-evict ' +
    'client|no-touch client|pause client|unpause client|tracking client|trackinginfo client|getredir ' +
    'pubsub|numpat command|count acl|genpass acl|whoami memory|malloc-stats slowlog|reset',
  'starts work in the background, if none is under way': 'bgsave bgrewriteaof',
  'is refused within an EXEC, or runs while the others are queued':
    'save shutdown monitor multi exec discard watch quit reset',
}

const catalogue = catalogueOf(commandTable)
const all = commandTable
  .map((command) => prepareCommand(command, command.name, catalogue))
  .flatMap((each): PreparedCommand[] => [each, ...(each.subcommands?.values() ?? [])])
  .filter(({ run }) => run !== undefined)

test('a command that does not write to the tree is broad, or there is a reason why not', () => {
  const others = all.filter(({ writes, broad }) => !writes && broad === undefined)
  const names = others.map(({ fullName }) => fullName).filter((name) => !name.endsWith('|help'))
  const listed = Object.values(NOT_BROAD).flatMap((text) => text.split(' '))
  expect(names.sort()).toEqual(listed.sort())
})

test('what is written to the tree, or put in order by a log, never depends on time', () => {
  const broad = all.filter((each) => each.broad !== undefined)
  expect(broad.filter(({ ordered }) => ordered).map(({ fullName }) => fullName)).toEqual([])
  expect(broad.length).toBeGreaterThan(30)
})
