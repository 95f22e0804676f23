import { BULK_OVERHEAD, putBulk, putBytes } from '../../resp/byte-encoding.ts'
import { writeInPieces } from '../../resp/reply-list.ts'
import { MIN_REFERENCED_BYTES, PIECE_BYTES } from '../../resp/reply-parts.ts'
import type { ReplySource, ReplyWriter } from '../../resp/reply-writer.ts'
import type { Shared } from '../../resp/shared-memory.ts'
import { ttlSeconds } from '../../store/event.ts'
import type { References } from '../../store/loose-values.ts'
import type { Listing } from '../../store/store.ts'
import { TreeWalk } from '../../store/tree/tree-copy.ts'
import {
  CREATED_INDEX,
  DIR,
  EXPIRATION,
  FILE,
  HEADS,
  INDEX,
  KEY,
  MODIFIED_INDEX,
  NODES,
  TTL,
  VALUE,
} from './event-fields.ts'
import { FILE_OVERHEAD, putPlainFields, writeInteger } from './event-reply.ts'

/** A listing of more nodes takes several pieces. */
const LONG_LISTING = 1024

/** Replies with the event `get` of a directory and its children, as `writeEvent` does. */
export function writeListing(reply: ReplyWriter, listing: Listing, sorted: boolean): void {
  const isLong = listing.nodes.length > LONG_LISTING
  writeInPieces(reply, new ListingSource(listing, sorted), isLong)
}

/** Writes a listing node by node. */
class ListingSource implements ReplySource {
  readonly shared: readonly Shared[]
  readonly references: References
  readonly #listing: Listing
  readonly #walk: TreeWalk
  #begun = false

  constructor(listing: Listing, sorted: boolean) {
    this.#listing = listing
    this.#walk = new TreeWalk(listing.nodes, listing.path, sorted)
    this.shared = [{ key: listing.nodes, weight: listing.nodes.weight }]
    this.references = listing.nodes.references
  }

  get weight(): number {
    return this.#walk.weight
  }

  next(reply: ReplyWriter): boolean {
    if (!this.#begun) reply.encoded(HEADS[reply.protocol].get)
    this.#begun = true
    const end = reply.length + PIECE_BYTES
    while (reply.length < end) {
      const step = this.#walk.next()
      if (step === 'node') this.#writeNode(reply)
      else if (step === 'end') this.#writeIndexes(reply, this.#walk.position)
      // A step of sorting takes as long as many nodes.
      else if (step === 'sorting') return true
      else {
        writeInteger(reply, INDEX, this.#listing.index)
        return false
      }
    }
    return true
  }

  /** Writes a node, a directory up to its children. */
  #writeNode(reply: ReplyWriter): void {
    const { position, prefix, name } = this.#walk
    const { nodes } = this.#listing
    const value = nodes.values[position]
    const expiration = nodes.expireTime(position)
    if (value !== undefined && expiration === undefined && value.length < MIN_REFERENCED_BYTES) {
      const keyLength = prefix.length + name.length
      const buffer = reply.room(FILE_OVERHEAD + BULK_OVERHEAD + keyLength + value.length)
      const at = putBytes(buffer, reply.position, FILE[reply.protocol])
      const [modifiedIndex, createdIndex] = [
        nodes.modifiedIndex(position),
        nodes.createdIndex(position),
      ]
      reply.wrote(
        putPlainFields(
          buffer,
          putBulk(buffer, at, prefix + name),
          value,
          modifiedIndex,
          createdIndex,
        ),
      )
      return
    }
    const count = nodes.count(position)
    const optional = [value, expiration, expiration, count].filter((each) => each !== undefined)
    reply.map(3 + optional.length + (value === undefined ? 1 : 0))
    reply.raw(KEY)
    reply.bulk(prefix + name)
    if (value === undefined) {
      reply.raw(DIR)
      reply.boolean(true)
    } else {
      reply.encoded(VALUE)
      reply.bulk(value)
    }
    if (expiration !== undefined) {
      reply.raw(EXPIRATION)
      reply.bulk(new Date(expiration).toISOString())
      reply.raw(TTL)
      reply.integer(ttlSeconds(expiration, this.#listing.now))
    }
    if (count === undefined) {
      this.#writeIndexes(reply, position)
    } else {
      reply.raw(NODES)
      reply.array(count)
    }
  }

  #writeIndexes(reply: ReplyWriter, position: number): void {
    const { nodes } = this.#listing
    writeInteger(reply, MODIFIED_INDEX, nodes.modifiedIndex(position))
    writeInteger(reply, CREATED_INDEX, nodes.createdIndex(position))
  }
}
