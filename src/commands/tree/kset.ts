import {
  parseExpireTime,
  parseWriteOptions,
  REFRESH_ARGUMENT,
  TTL_ARGUMENT,
} from '../../request/arguments/expire-time.ts'
import { type Argument, type Command, PATH, VALUE } from '../../request/command.ts'
import { replyEvent } from './event-reply.ts'

const UNIQUE: Argument = { name: 'unique', type: 'pure-token', token: 'UNIQUE', optional: true }
const DEPTH = 'O(N) where N is the number of components of the path'

/** What the commands that write one node have in common. */
export const WRITES = {
  group: 'tree',
  since: '0.1.0',
  complexity: DEPTH,
  flags: ['write'],
  keys: [1, 1, 1],
  parsed: true,
} as const

/** Those among them that may take more memory. */
export const GROWS = { ...WRITES, flags: ['write', 'denyoom'] } as const

/** Writing the tree. */
export const ksetCommands: readonly Command[] = [
  {
    name: 'kset',
    summary: 'Makes or replaces a file; a former TTL is dropped unless given again.',
    ...GROWS,
    arity: -3,
    args: [PATH, VALUE, TTL_ARGUMENT, REFRESH_ARGUMENT],
    run(client, args, options) {
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
    summary: 'Makes a file that must not exist; UNIQUE names it by the next index.',
    ...GROWS,
    arity: -3,
    args: [PATH, VALUE, UNIQUE, TTL_ARGUMENT],
    run(client, args, options) {
      const { store, clock } = client.server
      const expireTime = parseExpireTime(options, clock, 'kcreate')
      const unique = options.has('unique')
      replyEvent(client, store.create(args[1], args[2], { expireTime, unique }))
    },
  },
  {
    name: 'kupdate',
    summary: 'Changes the value and TTL of a file that exists, or the TTL of a directory.',
    ...GROWS,
    arity: -3,
    args: [PATH, VALUE, TTL_ARGUMENT, REFRESH_ARGUMENT],
    run(client, args, options) {
      const { store, clock } = client.server
      const writeOptions = parseWriteOptions(options, clock, 'kupdate', args[2])
      replyEvent(client, store.update(args[1], args[2], writeOptions))
    },
  },
  {
    name: 'kmkdir',
    summary:
      'Makes a directory; UNIQUE names it by the next index, REPLACE takes the place of a file.',
    ...GROWS,
    arity: -2,
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
