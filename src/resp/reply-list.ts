import type { References } from '../store/loose-values.ts'
import type { Value } from '../store/value.ts'
import { PIECE_BYTES } from './reply-parts.ts'
import type { ReplySource, ReplyWriter } from './reply-writer.ts'
import type { Shared } from './shared-memory.ts'

/** An item that is listed takes about this much memory, in bytes. */
const ITEM_BYTES = 16

/** A string takes about this much memory besides its characters, in bytes. */
const STRING_BYTES = 24

/** Memory that strings take, such as a request's arguments, which end with it unless a list keeps them. */
export function textBytes(texts: readonly string[]): number {
  let bytes = STRING_BYTES * texts.length
  for (const { length } of texts) bytes += length
  return bytes
}

/**
 * Writes a list of any length, without its header: a piece at once, and the rest as it is sent.
 *
 * @param items as they are at this moment; the array must not change any more
 * @param write writes one item
 * @param ownBytes memory that the items take and that nobody else uses
 * @param references the values of the tree among the items
 */
export function writeList<Item>(
  reply: ReplyWriter,
  items: readonly Item[],
  write: (reply: ReplyWriter, item: Item) => void,
  ownBytes = 0,
  references?: References,
): void {
  writeInPieces(reply, new ListSource(items, write, ownBytes, undefined, references))
}

/** Like {@link writeList}, for an array that other replies list, too. */
export function writeSharedList<Item>(
  reply: ReplyWriter,
  items: readonly Item[],
  write: (reply: ReplyWriter, item: Item) => void,
): void {
  const shared = [{ key: items, weight: ITEM_BYTES * items.length }]
  writeInPieces(reply, new ListSource(items, write, 0, shared))
}

/** Like {@link writeList}, but returns what writes the list. */
export function listSource<Item>(
  items: readonly Item[],
  write: (reply: ReplyWriter, item: Item) => void,
  ownBytes = 0,
): ReplySource {
  return new ListSource(items, write, ownBytes)
}

/**
 * Writes the first piece of a source at once, and the rest, if there is one, as it is sent.
 *
 * @param isLong whether there are surely more pieces: then, in an EXEC, the first waits for those before it
 */
export function writeInPieces(reply: ReplyWriter, source: ReplySource, isLong = false): void {
  if (reply.muted) return
  if ((isLong && reply.hasSource) || source.next(reply)) reply.produce(source)
}

class ListSource<Item> implements ReplySource {
  readonly weight: number
  readonly shared: readonly Shared[] | undefined
  readonly references: References | undefined
  readonly #items: readonly Item[]
  readonly #write: (reply: ReplyWriter, item: Item) => void
  #next = 0

  constructor(
    items: readonly Item[],
    write: (reply: ReplyWriter, item: Item) => void,
    ownBytes: number,
    shared?: readonly Shared[],
    references?: References,
  ) {
    this.#items = items
    this.#write = write
    this.shared = shared
    this.references = references
    this.weight = shared === undefined ? ITEM_BYTES * items.length + ownBytes : ownBytes
  }

  next(reply: ReplyWriter): boolean {
    const items = this.#items
    const end = reply.length + PIECE_BYTES
    let at = this.#next
    while (at < items.length && reply.length < end) this.#write(reply, items[at++])
    this.#next = at
    return at < items.length
  }
}

/** Writes one bulk string of a list. */
export function writeBulk(reply: ReplyWriter, item: Value): void {
  reply.bulk(item)
}

/** Writes one bulk string, or null, of a list. */
export function writeBulkOrNull(reply: ReplyWriter, item: Value | null): void {
  reply.bulkOrNull(item)
}
