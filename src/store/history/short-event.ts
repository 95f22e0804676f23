import type { Event, NodeExtern, Overwrite } from '../event.ts'
import { DirectoryNode, FileNode } from '../tree/node.ts'
import type { Value } from '../value.ts'

/** The directory of a file that is only read. */
const NOWHERE = new DirectoryNode('', null, 0)

/**
 * The event of setting a permanent file that stays permanent.
 *
 * Problem: most events are of this kind, and each lives until the history drops it. In full, an
 * event is three objects with twenty-one fields.
 *
 * Trick: one object holds the six fields that differ. `node` and `prevNode` are made each time they
 * are read. They are not kept: every checkpoint reads those of every event, so the history would soon
 * hold them all.
 *
 * Price: `Event` has two forms, and frequent readers of its nodes look into `overwrite` first.
 *
 * Gain: without it a write of a pipeline of 16 takes a quarter more processor time
 * (bench/HISTORY.md).
 *
 * To delete it: make the event in `Store.setFile` as `Store.set` does, and remove `overwrite`.
 */
export class ShortEvent implements Event, Overwrite {
  /** Changed by `ownKey` only, to an equal one. */
  key: string
  readonly value: Value
  readonly index: number
  readonly prevValue: Value
  readonly prevModifiedIndex: number
  readonly prevCreatedIndex: number

  /** @param before the file that is about to be set: as yet it has its old value and indexes */
  constructor(key: string, value: Value, index: number, before: FileNode) {
    this.key = key
    this.value = value
    this.index = index
    this.prevValue = before.value
    this.prevModifiedIndex = before.modifiedIndex
    this.prevCreatedIndex = before.createdIndex
  }

  get action(): 'set' {
    return 'set'
  }

  get refresh(): false {
    return false
  }

  /** A set makes the file anew. */
  get createdIndex(): number {
    return this.index
  }

  get overwrite(): Overwrite {
    return this
  }

  get node(): NodeExtern {
    return permanentFile(this.key, this.value, this.index, this.createdIndex)
  }

  get prevNode(): NodeExtern {
    return permanentFile(this.key, this.prevValue, this.prevModifiedIndex, this.prevCreatedIndex)
  }
}

/** Whether an event tells nothing but what a {@link ShortEvent} could. */
export function isShortForm({ action, node, prevNode, index, refresh }: Event): boolean {
  if (action !== 'set' || refresh || prevNode === undefined) return false
  if (node.createdIndex !== index || node.modifiedIndex !== index) return false
  if (node.value === undefined || prevNode.value === undefined) return false
  if (node.expiration !== undefined || prevNode.expiration !== undefined) return false
  return node.key === prevNode.key
}

/**
 * An event that has been read, as the store makes it: in full it would take twice as much of the heap after a start as
 * before it.
 */
export function shortened(event: Event): Event {
  const { node, prevNode, index } = event
  if (!isShortForm(event) || node.value === undefined || prevNode?.value === undefined) return event
  const before = new FileNode('', NOWHERE, prevNode.value, prevNode.createdIndex)
  before.modifiedIndex = prevNode.modifiedIndex
  return new ShortEvent(node.key, node.value, index, before)
}

function permanentFile(
  key: string,
  value: Value,
  modifiedIndex: number,
  createdIndex: number,
): NodeExtern {
  return {
    key,
    dir: false,
    value,
    expiration: undefined,
    ttl: undefined,
    nodes: undefined,
    modifiedIndex,
    createdIndex,
  }
}
