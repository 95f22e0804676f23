import type { Event as StoredEvent, NodeExtern as StoredNode } from '../store/event.ts'
import { bytesOf, textOfValue } from '../store/value.ts'
import { decodeBytes, decodeText } from './text.ts'

/** A node as it was at one moment: text, and beside it the bytes. */
export interface NodeExtern extends Omit<StoredNode, 'value' | 'nodes'> {
  /** Absent on directories, and on files that have just been deleted. */
  readonly value: string | undefined
  /** Absent where no listing was loaded. */
  readonly nodes: readonly NodeExtern[] | undefined
  /** The key's bytes, exactly. */
  readonly keyBytes: Buffer
  /** The value's bytes, exactly. */
  readonly valueBytes: Buffer | undefined
}

/** What an operation did. */
export interface Event extends Omit<StoredEvent, 'node' | 'prevNode' | 'overwrite'> {
  readonly node: NodeExtern
  /** The state before; absent where there was none. */
  readonly prevNode: NodeExtern | undefined
}

/** The bytes are made when they are asked for, by getters, which comparisons do not see. */
class TextNode implements NodeExtern {
  readonly key: string
  readonly dir: boolean
  readonly value: string | undefined
  readonly expiration: number | undefined
  readonly ttl: number | undefined
  readonly nodes: readonly NodeExtern[] | undefined
  readonly modifiedIndex: number
  readonly createdIndex: number
  readonly #stored: StoredNode

  constructor(stored: StoredNode) {
    this.#stored = stored
    this.key = decodeText(stored.key)
    this.dir = stored.dir
    this.value = stored.value === undefined ? undefined : decodeText(textOfValue(stored.value))
    this.expiration = stored.expiration
    this.ttl = stored.ttl
    this.nodes = stored.nodes?.map((node) => new TextNode(node))
    this.modifiedIndex = stored.modifiedIndex
    this.createdIndex = stored.createdIndex
  }

  get keyBytes(): Buffer {
    return decodeBytes(this.#stored.key)
  }

  get valueBytes(): Buffer | undefined {
    const { value } = this.#stored
    // A copy, because the caller may change it, and the store's own bytes must not change.
    return value === undefined ? undefined : Buffer.from(bytesOf(value))
  }
}

/** An event of the store, as the library shows it. */
export function textEvent({ action, node, prevNode, index, refresh }: StoredEvent): Event {
  return {
    action,
    node: new TextNode(node),
    prevNode: prevNode === undefined ? undefined : new TextNode(prevNode),
    index,
    refresh,
  }
}
