import {
  parseExpireTime,
  parseWriteOptions,
  REFRESH_ARGUMENT,
  TTL_ARGUMENT,
} from '../../request/arguments/expire-time.ts'
import { parseInteger } from '../../request/arguments/integer.ts'
import type { Client } from '../../request/client.ts'
import { type Argument, type Command, CommandError, type Options } from '../../request/command.ts'
import type { Event } from '../../store/event.ts'
import { FileChange } from '../../store/history/short-event.ts'
import { writeChange, writeEvent } from './event-reply.ts'

const PATH: Argument = { name: 'path', type: 'key' }
const VALUE: Argument = { name: 'value', type: 'string' }
const UNIQUE: Argument = { name: 'unique', type: 'pure-token', token: 'UNIQUE', optional: true }
const CONDITIONS: readonly Argument[] = [
  { name: 'prev-value', type: 'string', token: 'PREVVALUE', optional: true },
  { name: 'prev-index', type: 'integer', token: 'PREVINDEX', optional: true },
]
const DEPTH = 'O(N) where N is the number of components of the path'

/** What the commands that write one node have in common. */
const WRITES = {
  group: 'tree',
  since: '0.1.0',
  complexity: DEPTH,
  flags: ['write'],
  keys: [1, 1, 1],
  parsed: true,
} as const

/** Those among them that may take more memory. */
const GROWS = { ...WRITES, flags: ['write', 'denyoom'] } as const

function replyEvent(client: Client, event: Event): void {
  notifyKeyspace(client, event)
  writeEvent(client.reply, event)
}

/** Under the names that Redis has for what it does to strings. */
function notifyKeyspace({ server }: Client, { action, node, refresh }: Event): void {
  const { key } = node
  const expires = node.expiration !== undefined
  if (action === 'delete' || action === 'compareAndDelete') server.notifyKeyspace('del', key)
  else if (refresh) server.notifyKeyspace('expire', key)
  else if (action === 'update' && node.dir) {
    server.notifyKeyspace(expires ? 'expire' : 'persist', key)
  } else {
    server.notifyKeyspace(node.dir ? 'mkdir' : 'set', key)
    if (expires) server.notifyKeyspace('expire', key)
  }
}

/** @throws CommandError unless there is at least one condition */
function parseConditions(options: Options): { prevValue?: string; prevIndex?: number } {
  const prevValue = options.get('prev-value')
  const prevIndex = options.get('prev-index')
  if (prevValue === undefined && prevIndex === undefined) {
    throw new CommandError('ERR at least one of PREVVALUE and PREVINDEX must be given')
  }
  return {
    ...(prevValue !== undefined && { prevValue }),
    ...(prevIndex !== undefined && { prevIndex: parseInteger(prevIndex, 0) }),
  }
}

/** Writing the tree. */
export const treeWriteCommands: readonly Command[] = [
  {
    name: 'kset',
    summary: 'Makes or replaces a file; a former TTL is dropped unless given again.',
    ...GROWS,
    arity: -3,
    args: [PATH, VALUE, TTL_ARGUMENT, REFRESH_ARGUMENT],
    run(client, args, options) {
      const { store, clock } = client.server
      if (options.size === 0) {
        const change = store.setFile(args[1], args[2])
        if (change instanceof FileChange) client.server.notifyKeyspace('set', change.key)
        else notifyKeyspace(client, change)
        writeChange(client.reply, change)
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
  {
    name: 'kcas',
    summary: 'Compare and swap: changes a file if it has the given value or index.',
    ...GROWS,
    arity: -5,
    args: [PATH, VALUE, ...CONDITIONS, TTL_ARGUMENT, REFRESH_ARGUMENT],
    run(client, args, options) {
      const { store, clock } = client.server
      const conditions = parseConditions(options)
      const writeOptions = parseWriteOptions(options, clock, 'kcas', args[2])
      replyEvent(client, store.compareAndSwap(args[1], conditions, args[2], writeOptions))
    },
  },
  {
    name: 'kcad',
    summary: 'Compare and delete: deletes a file if it has the given value or index.',
    ...WRITES,
    arity: -4,
    args: [PATH, ...CONDITIONS],
    run(client, args, options) {
      replyEvent(client, client.server.store.compareAndDelete(args[1], parseConditions(options)))
    },
  },
  {
    name: 'kdel',
    summary: 'Deletes a file; with DIR an empty directory, with RECURSIVE all below it too.',
    ...WRITES,
    arity: -2,
    args: [
      PATH,
      { name: 'dir', type: 'pure-token', token: 'DIR', optional: true },
      { name: 'recursive', type: 'pure-token', token: 'RECURSIVE', optional: true },
    ],
    run(client, args, options) {
      const event = client.server.store.delete(args[1], {
        dir: options.has('dir'),
        recursive: options.has('recursive'),
      })
      replyEvent(client, event)
    },
  },
  {
    name: 'krecover',
    summary: 'Replaces the whole store by a state saved with KSAVE or by etcd.',
    group: 'tree',
    since: '0.1.0',
    complexity: 'O(N) where N is the number of nodes and events in the state',
    arity: 2,
    flags: ['write', 'admin', 'denyoom'],
    args: [{ name: 'state', type: 'string' }],
    run(client, args) {
      client.server.store.recovery(args[1])
      client.server.pubsub.closeWatchers()
      client.reply.ok()
    },
  },
]
