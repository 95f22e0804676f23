// OBJECT

import { pathOfKey } from '../../keyspace/key.ts'
import { wrongType } from '../../keyspace/keyspace.ts'
import { KEY } from '../../request/arguments/argument.ts'
import { CommandError } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { withHelp } from '../subcommand-help.ts'

const QUESTION = {
  group: 'generic',
  since: '0.1.0',
  complexity: 'O(1)',
  arity: 3,
  flags: ['readonly'],
  keys: [2, 2, 1],
  keyFlags: [['RO']],
  args: [KEY],
} as const

/** The longest string that Redis keeps in one piece with what it knows of it, in bytes. */
const MAX_EMBEDDED = 44
/** Redis has the integers below this once, for all keys. */
const SHARED_INTEGERS = 10_000n
const SHARED_COUNT = 2 ** 31 - 1

/** How Redis keeps a string that has been SET. */
function encodingOf(value: string): string {
  if (readInteger64(value) !== undefined) return 'int'
  return value.length <= MAX_EMBEDDED ? 'embstr' : 'raw'
}

function referencesTo(value: string): number {
  const integer = readInteger64(value)
  const shared = integer !== undefined && integer >= 0n && integer < SHARED_INTEGERS
  return shared ? SHARED_COUNT : 1
}

/** @param answer is given the key's value, and writes the reply */
function askOf(client: Client, key: string, answer: (value: string) => void): void {
  // A miss is counted, and told to nobody (Redis).
  const { store, stats } = client.server
  const node = store.lookup(pathOfKey(key))
  if (node === undefined) stats.keyspaceMisses++
  else stats.keyspaceHits++
  if (node === undefined) client.reply.null()
  else if (node.dir) throw wrongType()
  else answer(node.value)
}

/** What Redis tells of how it keeps a key. */
export const objectCommands: readonly Command[] = [
  {
    name: 'object',
    summary: 'A container of commands that tell how a key is kept.',
    group: 'generic',
    since: '0.1.0',
    arity: -2,
    flags: [],
    subcommands: withHelp('object', 'generic', [
      {
        name: 'encoding',
        summary: 'Tells how Redis would keep the value: int, embstr or raw.',
        ...QUESTION,
        run(client, args) {
          askOf(client, args[2], (value) => client.reply.bulk(encodingOf(value)))
        },
      },
      {
        name: 'freq',
        summary: 'Refused: how often a key is used is not counted.',
        ...QUESTION,
        run(client, args) {
          askOf(client, args[2], () => {
            throw new CommandError(
              'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.',
            )
          })
        },
      },
      {
        name: 'idletime',
        summary: 'Always 0: when a key was last used is not noted.',
        ...QUESTION,
        run(client, args) {
          askOf(client, args[2], () => client.reply.integer(0))
        },
      },
      {
        name: 'refcount',
        summary: 'Tells how many references Redis would have to the value.',
        ...QUESTION,
        run(client, args) {
          askOf(client, args[2], (value) => client.reply.integer(referencesTo(value)))
        },
      },
    ]),
  },
]
