// KSET · KCREATE · KUPDATE · KMKDIR

import { type Argument, PATH, VALUE } from '../../request/arguments/argument.ts'
import {
  hasTtl,
  parseExpireTime,
  parseWriteOptions,
  REFRESH_ARGUMENT,
  TTL_ARGUMENT,
} from '../../request/arguments/expire-time.ts'
import { hasToken } from '../../request/arguments/token.ts'
import type { Command } from '../../request/command.ts'
import type { Value } from '../../store/value.ts'
import { replyEvent } from './event-reply.ts'

const UNIQUE: Argument = { name: 'unique', type: 'pure-token', token: 'UNIQUE', optional: true }
const DEPTH = 'O(N) where N is the number of components of the path'

/** Shared by the commands that write one node. */
export const WRITES = {
  group: 'tree',
  since: '0.1.0',
  complexity: DEPTH,
  flags: ['write'],
  keys: [1, 1, 1],
  parsed: true,
} as const

/** The reply tells what there was before: the key is read as well. */
export const REPLACES = [['RW', 'access', 'update']] as const

/** Shared by those of them that may take more memory. */
export const GROWS = { ...WRITES, flags: ['write', 'denyoom'] } as const

/** The path and the value of a file, then options. */
export type PathValue = readonly [name: string, path: string, value: Value, ...options: Value[]]

/** Writing the tree. */
export const ksetCommands: readonly Command[] = [
  {
    name: 'kset',
    summary: 'Creates or replaces a file; drops a former TTL unless a new one is given.',
    ...GROWS,
    arity: -3,
    keyFlags: REPLACES,
    reach: 'node',
    args: [PATH, VALUE, TTL_ARGUMENT, REFRESH_ARGUMENT],
    takesValues: true,
    run(client, args: PathValue, options) {
      const { store, clock } = client.server
      if (options.size === 0) {
        replyEvent(client, store.setFile(args[1], args[2]))
        return
      }
      const writeOptions = parseWriteOptions(options, clock, 'kset', args[2])
      replyEvent(client, store.set(args[1], args[2], writeOptions))
    },
  },
  {
    name: 'kcreate',
    summary: 'Creates a file that must not exist; UNIQUE names it after the next index.',
    ...GROWS,
    arity: -3,
    keyFlags: [['OW', 'insert']],
    reach: (request) => (hasToken(request, 3, 'UNIQUE') ? 'below' : 'node'),
    args: [PATH, VALUE, UNIQUE, TTL_ARGUMENT],
    takesValues: true,
    run(client, args: PathValue, options) {
      const { store, clock } = client.server
      const expireTime = parseExpireTime(options, clock, 'kcreate')
      const unique = options.has('unique')
      replyEvent(client, store.create(args[1], args[2], { expireTime, unique }))
    },
  },
  {
    name: 'kupdate',
    summary: 'Changes the value and TTL of an existing file, or the TTL of a directory.',
    ...GROWS,
    arity: -3,
    keyFlags: REPLACES,
    reach: 'directory',
    args: [PATH, VALUE, TTL_ARGUMENT, REFRESH_ARGUMENT],
    takesValues: true,
    run(client, args: PathValue, options) {
      const { store, clock } = client.server
      const writeOptions = parseWriteOptions(options, clock, 'kupdate', args[2])
      replyEvent(client, store.update(args[1], args[2], writeOptions))
    },
  },
  {
    name: 'kmkdir',
    summary:
      'Creates a directory; UNIQUE names it after the next index, REPLACE lets it replace a file.',
    ...GROWS,
    arity: -2,
    keyFlags: [['RW', 'access', 'insert', 'variable_flags']],
    keyFlagsOf: (request) =>
      hasToken(request, 2, 'REPLACE') ? ['RW', 'access', 'update'] : ['OW', 'insert'],
    // What comes to lie below it goes when its time has come.
    reach: (request) =>
      hasToken(request, 2, 'UNIQUE') ? 'below' : hasTtl(request, 2) ? 'subtree' : 'node',
    args: [
      PATH,
      {
        name: 'mode',
        type: 'oneof',
        optional: true,
        args: [
          { name: 'unique', type: 'pure-token', token: 'UNIQUE' },
          { name: 'replace', type: 'pure-token', token: 'REPLACE' },
        ],
      },
      TTL_ARGUMENT,
    ],
    run(client, args, options) {
      const { store, clock } = client.server
      const expireTime = parseExpireTime(options, clock, 'kmkdir')
      const event = options.has('replace')
        ? store.setDirectory(args[1], { expireTime })
        : store.createDirectory(args[1], { expireTime, unique: options.has('unique') })
      replyEvent(client, event)
    },
  },
]
