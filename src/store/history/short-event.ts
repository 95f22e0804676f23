import type { Action, Event, NodeExtern } from '../event.ts'

/**
 * The event of a permanent file that was set and is one still, in short: most events are such, and
 * each lives until the history drops it. An object of nine fields where the event would be three of
 * twenty-one.
 */
export class FileChange {
  readonly action: Action
  /** The file's absolute path. */
  readonly key: string
  readonly value: string
  /** The store's index after the change, and the file's `modifiedIndex`. */
  readonly index: number
  readonly createdIndex: number
  readonly prevValue: string
  readonly prevModifiedIndex: number
  readonly prevCreatedIndex: number

  constructor(
    action: Action,
    key: string,
    value: string,
    index: number,
    createdIndex: number,
    prevValue: string,
    prevModifiedIndex: number,
    prevCreatedIndex: number,
  ) {
    this.action = action
    this.key = key
    this.value = value
    this.index = index
    this.createdIndex = createdIndex
    this.prevValue = prevValue
    this.prevModifiedIndex = prevModifiedIndex
    this.prevCreatedIndex = prevCreatedIndex
  }

  /** The event at full length. */
  toEvent(): Event {
    const { action, key, index } = this
    return {
      action,
      node: permanentFile(key, this.value, index, this.createdIndex),
      prevNode: permanentFile(key, this.prevValue, this.prevModifiedIndex, this.prevCreatedIndex),
      index,
      refresh: false,
    }
  }
}

function permanentFile(
  key: string,
  value: string,
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
