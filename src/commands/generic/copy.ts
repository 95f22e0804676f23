// COPY · MOVE

import { isSameKey, sameObject, valueAt, wrongType } from '../../keyspace/keyspace.ts'
import { KEY } from '../../request/arguments/argument.ts'
import { CommandError, syntaxError } from '../../request/arguments/errors.ts'
import { parseInteger32 } from '../../request/arguments/integer.ts'
import { tokenOf } from '../../request/arguments/token.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { COPY_SLACK_BYTES } from '../../request/copy-bounds.ts'
import { beginCopy } from '../../request/exec-limits.ts'
import { TIME_OF } from '../../request/long-work.ts'
import { LARGE_VALUE_BYTES, ownValue } from '../../store/value.ts'

/** Shared by both commands. */
const GENERIC = { group: 'generic', since: '0.1.0', reach: 'node' } as const

/** @throws CommandError unless the text is 0, the only database */
function checkDatabase(text: string): void {
  if (parseInteger32(text) !== 0) throw new CommandError('ERR DB index is out of range')
}

/**
 * Parses the options as Redis does: in any order, repeated or not.
 *
 * @returns whether REPLACE is given
 * @throws CommandError a syntax error, or a database that does not exist
 */
function parseCopyOptions(args: readonly string[]): boolean {
  let replace = false
  for (let i = 3; i < args.length; i++) {
    const option = tokenOf(args[i])
    if (option === 'REPLACE') replace = true
    else if (option === 'DB' && i + 1 < args.length) {
      checkDatabase(args[++i])
    } else throw syntaxError()
  }
  return replace
}

/**
 * COPY. Keys never share a value: memory would count it once, while the disk, and a server that starts from
 * it, have it once for each key.
 */
function copy(client: Client, args: readonly string[]): void {
  const { reply, server } = client
  const [, from, to] = args
  const replace = parseCopyOptions(args)
  if (isSameKey(from, to)) throw sameObject()
  const file = server.keyspace.lookup(from)
  const former = server.keyspace.lookup(to)
  const copies = file?.dir === false && (replace || former === undefined)
  if (copies) {
    const { length } = file.value
    beginCopy(client, 'copiedBytes', length, TIME_OF.copiedByte)
    // The memory is compared before the next request.
    server.memory.add(length)
  }
  server.keyspace.noteRead(from, file !== undefined)
  if (file?.dir) throw wrongType()
  if (copies) {
    server.keyspace.replace(to, ownValue(file.value), file.lease?.expireTime, former)
    server.keyspace.notify('copy_to', to)
  }
  reply.integer(copies ? 1 : 0)
}

/** Copying a key, and moving it to another database. */
export const copyCommands: readonly Command[] = [
  {
    name: 'copy',
    summary: 'Copies a key and its TTL.',
    ...GENERIC,
    complexity: 'O(N) where N is the length of the value',
    arity: -3,
    source: 'copied',
    adds: ([, from], store) => valueAt(store, from).length + COPY_SLACK_BYTES,
    flags: ['write', 'denyoom'],
    growth: LARGE_VALUE_BYTES,
    keys: [1, 2, 1],
    keyFlags: [
      ['RO', 'access'],
      ['OW', 'update'],
    ],
    args: [
      { name: 'source', type: 'key' },
      { name: 'destination', type: 'key' },
      { name: 'destination-db', type: 'integer', token: 'DB', optional: true },
      { name: 'replace', type: 'pure-token', token: 'REPLACE', optional: true },
    ],
    run: copy,
  },
  {
    name: 'move',
    summary: 'Fails, because there is only one database.',
    ...GENERIC,
    complexity: 'O(1)',
    arity: 3,
    flags: ['write', 'fast'],
    keys: [1, 1, 1],
    keyFlags: [['RW', 'access', 'update']],
    args: [KEY, { name: 'db', type: 'integer' }],
    run(_, args) {
      checkDatabase(args[2])
      throw sameObject()
    },
  },
]
