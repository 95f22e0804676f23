// KEYS · RANDOMKEY

import { keyOf } from '../../keyspace/key.ts'
import { keyGlob } from '../../request/arguments/pattern.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { checkRoomToRead } from '../../request/room.ts'
import { listSource, writeBulk } from '../../resp/reply-list.ts'
import type { FileNode } from '../../store/tree/node.ts'
import type { Glob } from '../../text/glob.ts'
import { readsAll, searchKeys } from './key-search.ts'
import { KEY_BYTES, KEYS_PER_CHECK, mayReadFile, replyKeys, roomForMore } from './scan.ts'

/** Shared by both commands. */
const GENERIC = { group: 'generic', since: '0.1.0', flags: ['readonly'] } as const

/** RANDOMKEY draws at most this many times, then looks at all files. */
const MAX_DRAWS = 100

/** All keys that match a glob, in the order of the list of files. */
function allKeys({ server: { store, clock, memory } }: Client, glob: Glob | undefined): string[] {
  const { fileList } = store
  const now = clock.now()
  const keys: string[] = []
  for (let i = 0; i < fileList.length; i++) {
    const file = fileList.at(i)
    if (!store.isVisible(file, now)) continue
    const key = keyOf(file)
    if (glob !== undefined && !glob.matches(key)) continue
    if (keys.push(key) % KEYS_PER_CHECK === 0) checkRoomToRead(memory, roomForMore(keys.length))
  }
  return keys
}

/** Replies with all keys that match a glob and that the user may read. */
function replyReadableKeys(client: Client, glob: Glob | undefined): void {
  const keys: string[] = []
  searchKeys(client, {
    withExpired: false,
    tries: glob === undefined ? 0 : 1,
    keyBytes: KEY_BYTES,
    look: (key) => {
      if (glob === undefined || glob.matches(key)) keys.push(key)
    },
    reply: (reply) => {
      reply.array(keys.length)
      return listSource(keys, writeBulk)
    },
  })
}

/** Draws a random file that the user may read: all of them are equally likely. */
function drawFile({ server, user }: Client): FileNode | undefined {
  const { store, clock } = server
  const { fileList } = store
  const now = clock.now()
  const { length } = fileList
  for (let draws = 0; draws < MAX_DRAWS && length > 0; draws++) {
    const file = fileList.at(Math.floor(Math.random() * length))
    if (store.isVisible(file, now) && mayReadFile(user, file)) return file
  }
  return undefined
}

/** Replies with one of all keys that the user may read, each equally likely. */
function replyRandomKey(client: Client): void {
  let chosen: string | null = null
  let count = 0
  searchKeys(client, {
    withExpired: false,
    look: (key) => {
      if (Math.random() * ++count < 1) chosen = key
    },
    reply: (reply) => {
      reply.bulkOrNull(chosen)
      return undefined
    },
  })
}

/** Finding keys. */
export const keysCommands: readonly Command[] = [
  {
    name: 'keys',
    summary: 'Lists all keys that match a glob.',
    ...GENERIC,
    complexity: 'O(N) where N is the number of keys',
    arity: 2,
    categories: ['keyspace', 'dangerous'],
    reach: 'readable',
    args: [{ name: 'pattern', type: 'pattern' }],
    run(client, args) {
      const glob = args[1] === '*' ? undefined : keyGlob(args[1])
      if (readsAll(client.user)) replyKeys(client, allKeys(client, glob))
      else replyReadableKeys(client, glob)
    },
  },
  {
    name: 'randomkey',
    summary: 'Returns a random key.',
    ...GENERIC,
    complexity: 'O(1); O(N) where N is the number of keys, if most have expired or may not be read',
    arity: 1,
    reach: 'readable',
    run(client) {
      const file = drawFile(client)
      if (file === undefined) replyRandomKey(client)
      else client.reply.bulk(keyOf(file))
    },
  },
]
