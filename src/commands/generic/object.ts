// OBJECT

import { pathOfKey } from '../../keyspace/key.ts'
import { wrongType } from '../../keyspace/keyspace.ts'
import { KEY } from '../../request/arguments/argument.ts'
import { CommandError } from '../../request/arguments/errors.ts'
import { readInteger64 } from '../../request/arguments/integer.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import type { Value } from '../../store/value.ts'
import { withHelp } from '../subcommand-help.ts'

/** Shared by the subcommands. */
const QUESTION = {
  group: 'generic',
  since: '0.1.0',
  complexity: 'O(1)',
  arity: 3,
  flags: ['readonly'],
  keys: [2, 2, 1],
  keyFlags: [['RO']],
  reach: 'node',
  args: [KEY],
} as const

/** The longest string that Redis keeps in one allocation with its object header. */
const MAX_EMBEDDED_BYTES = 44
/** All keys share one object for each integer below this, in Redis. */
const SHARED_INTEGERS = 10_000n
/** The reference count that Redis reports for a shared object. */
const SHARED_REFERENCES = 2 ** 31 - 1

function integerIn(value: Value): bigint | undefined {
  return typeof value === 'string' ? readInteger64(value) : undefined
}

/** The encoding in which Redis keeps a string after SET. */
function encodingOf(value: Value): string {
  if (integerIn(value) !== undefined) return 'int'
  return value.length <= MAX_EMBEDDED_BYTES ? 'embstr' : 'raw'
}

/** The references that Redis has to a string after SET. */
function referencesTo(value: Value): number {
  const integer = integerIn(value)
  const shared = integer !== undefined && integer >= 0n && integer < SHARED_INTEGERS
  return shared ? SHARED_REFERENCES : 1
}

/**
 * Replies about a key, or null if it does not exist.
 *
 * @param answer writes the reply about the key's value
 * @throws CommandError WRONGTYPE if the key is a directory
 */
function askOf(client: Client, key: string, answer: (value: Value) => void): void {
  // A miss is counted but not published, as in Redis.
  const { store, stats } = client.server
  const node = store.lookup(pathOfKey(key))
  if (node === undefined) stats.keyspaceMisses++
  else stats.keyspaceHits++
  if (node === undefined) client.reply.null()
  else if (node.dir) throw wrongType()
  else answer(node.value)
}

/** How Redis would keep a key. */
export const objectCommands: readonly Command[] = [
  {
    name: 'object',
    summary: 'Shows how a key is kept.',
    group: 'generic',
    since: '0.1.0',
    arity: -2,
    flags: [],
    subcommands: withHelp('object', 'generic', [
      {
        name: 'encoding',
        summary: 'Returns the encoding in which Redis would keep the value: int, embstr or raw.',
        ...QUESTION,
        run(client, args) {
          askOf(client, args[2], (value) => client.reply.bulk(encodingOf(value)))
        },
      },
      {
        name: 'freq',
        summary: 'Fails, because the uses of a key are not counted.',
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
        summary: 'Returns 0, because the last use of a key is not recorded.',
        ...QUESTION,
        run(client, args) {
          askOf(client, args[2], () => client.reply.integer(0))
        },
      },
      {
        name: 'refcount',
        summary: 'Returns the number of references that Redis would have to the value.',
        ...QUESTION,
        run(client, args) {
          askOf(client, args[2], (value) => client.reply.integer(referencesTo(value)))
        },
      },
    ]),
  },
]
