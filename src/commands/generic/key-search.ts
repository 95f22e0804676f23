import { READ } from '../../access/selector.ts'
import type { User } from '../../access/user.ts'
import { keyOfPath } from '../../keyspace/key.ts'
import type { Client } from '../../request/client.ts'
import { replySearch, Search, triesOf } from '../../request/search.ts'
import type { ReplySource, ReplyWriter } from '../../resp/reply-writer.ts'
import { type TreeCopy, TreeWalk } from '../../store/tree/tree-copy.ts'

/** Whether a user may read every key. */
export function readsAll(user: User): boolean {
  return user.unrestricted || user.selectors.some((selector) => selector.allowsBelow('/', READ))
}

/** What is done with the keys that a user may read. */
export interface KeySearch {
  /** Whether a key that has expired and is not removed yet counts, as it does in DBSIZE. */
  readonly withExpired: boolean
  /** Patterns that {@link look} compares a key with. */
  readonly tries?: number
  /** Memory that each key takes that is kept, in bytes, about. */
  readonly keyBytes?: number
  /** How many keys are kept at this moment. */
  kept?(): number
  /** @param position the key's node in the copy that is looked through */
  look(key: string, position: number): void
  /** Writes the reply. @returns what makes the rest of it, if there is more */
  reply(reply: ReplyWriter, copy: TreeCopy): ReplySource | undefined
}

/**
 * Looks through all keys for those that a client may read, as they are at this moment, and replies. A
 * user has many patterns, perhaps, so a large tree is copied first, and looked through in pieces.
 */
export function searchKeys(client: Client, search: KeySearch): void {
  const { server, reply, user } = client
  // Nobody would see the copy.
  if (reply.muted) return
  const copy = server.store.keyCopy(search.withExpired)
  const walk = new TreeWalk(copy, '/', false)
  const { keyBytes = 0 } = search
  const tries = triesOf(user) + (search.tries ?? 0)
  const source = new Search({
    texts: filesOf(copy, walk),
    tries,
    shared: [{ key: copy, weight: copy.weight + copy.length * keyBytes }],
    weight: () => walk.weight + keyBytes * (search.kept?.() ?? 0),
    references: copy.references,
    look: (path) => {
      if (user.mayRead(path)) search.look(keyOfPath(path), walk.position)
    },
    reply: (writer) => search.reply(writer, copy),
  })
  replySearch(client, source, copy.length, tries)
}

/** The paths of all files of a copy; null for a step that comes to none. */
function* filesOf(copy: TreeCopy, walk: TreeWalk): Generator<string | null, undefined> {
  for (let step = walk.next(); step !== 'done'; step = walk.next()) {
    const isFile = step === 'node' && copy.values[walk.position] !== undefined
    yield isFile ? walk.prefix + walk.name : null
  }
}
