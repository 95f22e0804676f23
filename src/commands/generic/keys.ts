// KEYS · RANDOMKEY

import { keyOf, keyOfPath } from '../../keyspace/key.ts'
import { keyGlob } from '../../request/arguments/pattern.ts'
import type { Client } from '../../request/client.ts'
import type { Command } from '../../request/command.ts'
import { checkWork } from '../../request/exec-limits.ts'
import { MIN_LONG_MS, TIME_OF } from '../../request/long-work.ts'
import { triesFor, triesOf } from '../../request/search.ts'
import { PIECE_BYTES } from '../../resp/reply-parts.ts'
import type { ReplySource, ReplyWriter } from '../../resp/reply-writer.ts'
import { type FileNode, pathOf } from '../../store/tree/node.ts'
import { type TreeCopy, TreeWalk } from '../../store/tree/tree-copy.ts'
import type { Glob } from '../../text/glob.ts'
import { KeyRoom } from './key-room.ts'
import { readsAll, searchKeys } from './key-search.ts'
import { replyKeys } from './scan.ts'
import { pathIn, visiblePathsFor } from './visible-keys.ts'

/** Shared by both commands. */
const GENERIC = { group: 'generic', since: '0.1.0', flags: ['readonly'], broad: true } as const

/** RANDOMKEY draws at most this many times, then looks at all files. */
const MAX_DRAWS = 100
/** After a draw in vain, so many nodes of removed directories are reclaimed. */
const RECLAIMED_PER_DRAW = 256
/** Comparing so many bytes with patterns of the user counts as one draw more. */
const BYTES_PER_DRAW = 16_384

/** What a key that has been found takes until it is written, in bytes: its position. */
const FOUND_BYTES = 24
/** A piece of a reply looks at no more nodes than this, which takes about a millisecond. */
const STEPS_PER_PIECE = 16_384

/**
 * All keys that match a glob, in the order of the list of files, as a reply.
 *
 * @returns false if so many of them are so long, or so deep, that they have to be looked through in pieces
 */
function replyAllKeys(client: Client, glob: Glob | undefined): boolean {
  const { store, memory } = client.server
  const { fileList } = store
  const paths = visiblePathsFor(client)
  const room = new KeyRoom(memory, 1)
  const keys: string[] = []
  for (let i = 0; i < fileList.length; i++) {
    const path = pathIn(paths, fileList.at(i), room)
    if (!room.isLeft) return false
    if (path === undefined) continue
    const key = keyOfPath(path)
    room.look(key.length)
    if (!room.isLeft) return false
    if (glob !== undefined && !glob.matches(key)) continue
    keys.push(key)
    room.keep(key.length)
  }
  replyKeys(client, keys, room.bytes)
  return true
}

/** Replies with all keys that match a glob and that the user may read, found in pieces. */
function replyReadableKeys(client: Client, glob: Glob | undefined): void {
  const found: number[] = []
  searchKeys(client, {
    withExpired: false,
    tries: 1,
    keyBytes: FOUND_BYTES,
    kept: () => found.length,
    look: (key, position) => {
      if (glob === undefined || glob.matches(key)) found.push(position)
    },
    reply: (reply, copy) => {
      reply.array(found.length)
      return new FoundKeys(copy, found)
    },
  })
}

/**
 * Writes keys of a copy. Each is put together as it is written, because together they may be much longer than
 * the tree.
 */
class FoundKeys implements ReplySource {
  readonly #walk: TreeWalk
  readonly #found: readonly number[]
  #written = 0

  /** @param found positions in the copy, in the order in which a walk meets them */
  constructor(copy: TreeCopy, found: readonly number[]) {
    this.#walk = new TreeWalk(copy, '/', false)
    this.#found = found
  }

  /** The copy counts as that of the search. */
  get weight(): number {
    return this.#walk.weight + FOUND_BYTES * this.#found.length
  }

  next(reply: ReplyWriter): boolean {
    const walk = this.#walk
    const found = this.#found
    const end = reply.length + PIECE_BYTES
    for (let steps = 0; steps < STEPS_PER_PIECE && reply.length < end; steps++) {
      if (this.#written === found.length) return false
      if (walk.next() !== 'node' || walk.position !== found[this.#written]) continue
      reply.bulk(keyOfPath(walk.prefix + walk.name))
      this.#written++
    }
    return this.#written < found.length
  }
}

/** Draws a random file that the user may read: all of them are equally likely. */
function drawFile(client: Client): FileNode | undefined {
  const { server, user } = client
  const { store, clock } = server
  const { fileList } = store
  const now = clock.now()
  const tries = triesOf(user)
  for (let draws = 0; draws < MAX_DRAWS && fileList.length > 0; draws++) {
    const file = fileList.at(Math.floor(Math.random() * fileList.length))
    if (!store.isVisible(file, now)) {
      // Files of removed directories would be drawn again and again.
      if (store.needsReclaim) store.reclaim(RECLAIMED_PER_DRAW)
      continue
    }
    if (user.unrestricted) return file
    const path = pathOf(file)
    client.triedPatterns += triesFor(tries, 1, path.length)
    if (user.mayRead(path)) return file
    draws += (path.length * tries) / BYTES_PER_DRAW
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
      const { store, longWork } = client.server
      const glob = args[1] === '*' ? undefined : keyGlob(args[1])
      const time = store.fileList.length * TIME_OF.foundFile
      if (!client.executing && time >= MIN_LONG_MS) longWork.check()
      if (readsAll(client.user) && replyAllKeys(client, glob)) longWork.note(time)
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
      checkWork(client, 'triedPatterns')
      const file = drawFile(client)
      if (file === undefined) replyRandomKey(client)
      else client.reply.bulk(keyOf(file))
    },
  },
]
