// KEYS · RANDOMKEY

import type { User } from '../../access/user.ts'
import { keyOf } from '../../keyspace/key.ts'
import { keyGlob } from '../../request/arguments/pattern.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import type { Store } from '../../store/store.ts'
import type { FileNode } from '../../store/tree/node.ts'
import { mayReadFile, replyKeys } from './scan.ts'

/** Shared by both commands. */
const GENERIC = { group: 'generic', since: '0.1.0', flags: ['readonly'] } as const

/** RANDOMKEY draws at most this many times, then takes the next visible file in the list. */
const MAX_DRAWS = 100

/** All keys that match a glob and that the user may read, in the order of the list of files. */
function allKeys(client: Client, pattern: string): string[] {
  const { server, user } = client
  const { store, clock } = server
  const { fileList } = store
  const now = clock.now()
  const glob = pattern === '*' ? undefined : keyGlob(pattern)
  const keys: string[] = []
  for (let i = 0; i < fileList.length; i++) {
    const file = fileList.at(i)
    if (!store.isVisible(file, now) || !mayReadFile(user, file)) continue
    const key = keyOf(file)
    if (glob === undefined || glob.matches(key)) keys.push(key)
  }
  return keys
}

/**
 * A random file that the user may read, or undefined if there is none. All of them are equally
 * likely, unless no draw succeeds.
 *
 * @param now Unix ms
 */
function randomFile(store: Store, now: number, user: User): FileNode | undefined {
  const { fileList } = store
  const { length } = fileList
  let position = 0
  for (let draws = 0; draws < MAX_DRAWS && length > 0; draws++) {
    position = Math.floor(Math.random() * length)
    const file = fileList.at(position)
    if (store.isVisible(file, now) && mayReadFile(user, file)) return file
  }
  // Most files in the list have expired or been deleted, and have not been removed from it yet.
  for (let i = 0; i < length; i++) {
    const file = fileList.at((position + i) % length)
    if (store.isVisible(file, now) && mayReadFile(user, file)) return file
  }
  return undefined
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
      replyKeys(client, allKeys(client, args[1]))
    },
  },
  {
    name: 'randomkey',
    summary: 'Returns a random key.',
    ...GENERIC,
    complexity: 'O(1)',
    arity: 1,
    reach: 'readable',
    run({ server, reply, user }) {
      const file = randomFile(server.store, server.clock.now(), user)
      reply.bulkOrNull(file === undefined ? null : keyOf(file))
    },
  },
]
