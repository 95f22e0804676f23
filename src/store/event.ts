import { joinPath } from './path.ts'
import { isHidden, isOverdue, type Node } from './tree/node.ts'
import type { Value } from './value.ts'

/** The actions of events. The disk format uses their positions, so new ones go to the end. */
export const ACTIONS = [
  'get',
  'create',
  'set',
  'update',
  'delete',
  'compareAndSwap',
  'compareAndDelete',
  'expire',
] as const

export type Action = (typeof ACTIONS)[number]

/** A node as it was at one moment. Events and listings consist of them. */
export interface NodeExtern {
  readonly key: string
  readonly dir: boolean
  /** Absent on directories, and on files that the event removed. */
  readonly value: Value | undefined
  /** Unix milliseconds; absent on permanent nodes. */
  readonly expiration: number | undefined
  /** Seconds left, rounded up; absent on permanent nodes. */
  readonly ttl: number | undefined
  /** The listing; absent if none was asked for. */
  readonly nodes: readonly NodeExtern[] | undefined
  readonly modifiedIndex: number
  readonly createdIndex: number
}

/** The result of an operation. */
export interface Event {
  readonly action: Action
  readonly node: NodeExtern
  /** The node before the operation; absent if there was none. */
  readonly prevNode: NodeExtern | undefined
  /** The store's index after the operation. */
  readonly index: number
  /** A refresh is kept in the history, but no watcher is shown it. */
  readonly refresh: boolean
  /**
   * The event in one object, if it wrote over a permanent file that stays permanent. Reading it is
   * cheaper than reading `node` and `prevNode`, because those may have to be made first.
   */
  readonly overwrite?: Overwrite
}

/** A permanent file that was written over: its fields, and those it had before. */
export interface Overwrite {
  readonly action: Action
  readonly key: string
  readonly value: Value
  /** The store's index after the operation, and the file's `modifiedIndex`. */
  readonly index: number
  readonly createdIndex: number
  readonly prevValue: Value
  readonly prevModifiedIndex: number
  readonly prevCreatedIndex: number
}

export function newEvent(
  action: Action,
  node: NodeExtern,
  prevNode: NodeExtern | undefined,
  index: number,
  refresh = false,
): Event {
  return { action, node, prevNode, index, refresh }
}

/** The path of the event's node; does not make the node. */
export function keyOf(event: Event): string {
  return (event.overwrite ?? event.node).key
}

/**
 * The node as it is now, without a listing.
 *
 * @param path the node's path
 * @param now Unix milliseconds, from which the TTL is counted
 */
export function represent(node: Node, path: string, now: number): NodeExtern {
  const expiration = node.lease === null ? undefined : node.lease.expireTime
  return {
    key: path,
    dir: node.dir,
    value: node.dir ? undefined : node.value,
    expiration,
    ttl: expiration === undefined ? undefined : ttlSeconds(expiration, now),
    nodes: undefined,
    modifiedIndex: node.modifiedIndex,
    createdIndex: node.createdIndex,
  }
}

/** Whole seconds until a time, rounded up (etcd's `expirationAndTTL`); 0 when it has passed. */
export function ttlSeconds(expireTime: number, now: number): number {
  return Math.ceil(Math.max(0, expireTime - now) / 1000)
}

/**
 * The node as it is now, with a listing of its children: one level or, if recursive, all. Hidden and
 * expired children are left out.
 *
 * @param sorted order every level by key, bytewise
 */
export function representListing(
  node: Node,
  path: string,
  recursive: boolean,
  sorted: boolean,
  now: number,
): NodeExtern {
  const extern = represent(node, path, now)
  if (!node.dir) return extern
  const nodes: NodeExtern[] = []
  for (const child of node.children.list) {
    if (isHidden(child) || isOverdue(child, now)) continue
    const childPath = joinPath(path, child.name)
    nodes.push(
      recursive
        ? representListing(child, childPath, recursive, sorted, now)
        : represent(child, childPath, now),
    )
  }
  if (sorted) nodes.sort(byKey)
  return { ...extern, nodes }
}

function byKey(a: NodeExtern, b: NodeExtern): number {
  return a.key < b.key ? -1 : 1
}

/** Whether the event removed a directory with all below it. */
export function removesDirectory(event: Event): boolean {
  return (event.action === 'delete' || event.action === 'expire') && event.node.dir
}
