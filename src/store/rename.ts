import { PathError, StoreError } from './errors.ts'
import { type NodeExtern, represent } from './event.ts'
import { absolute, checkDepth, checkLength, isBelow, joinPath } from './path.ts'
import { type DirectoryNode, type FileNode, isOverdue, type Node } from './tree/node.ts'
import type { Tree } from './tree/tree.ts'

/** The events of a rename, for the store to record: each method raises the index by one. */
export interface RenameEvents {
  /** A node in the way has expired; this removes it. */
  expire(node: Node, now: number): void
  /** A node has been taken out. */
  deleted(prevNode: NodeExtern): void
  /** A node has been put where it belongs. */
  set(node: NodeExtern, prevNode: NodeExtern | undefined): void
}

/**
 * Moves a node, a directory with all below it, and tells of it as a `delete` at the old path and a
 * `set` of every node at its new one, parents first (docs/decisions/0008).
 *
 * @throws StoreError and PathError, as `Store.rename` does; nothing has changed then
 */
export function rename(
  tree: Tree,
  from: string,
  to: string,
  now: number,
  events: RenameEvents,
): void {
  const oldKey = absolute(tree.writable(from))
  const newKey = absolute(tree.writable(to))
  const node = tree.find(oldKey, now)
  if (newKey === oldKey) return
  if (node.dir && isBelow(newKey, oldKey)) {
    throw new PathError('a directory cannot be moved below itself')
  }
  checkDepth(newKey)
  if (tree.walk(newKey, now)?.dir) throw new StoreError(102, newKey, tree.index)
  const overdue = node.dir ? overdueBelow(node, newKey, now) : []
  // From here on nothing can fail.
  const inTheWay = tree.overdueOn(newKey, now)
  if (inTheWay !== undefined) events.expire(inTheWay, now)
  for (const each of overdue) events.expire(each, now)
  const prevNode = represent(node, oldKey, now)
  if (node.dir) {
    tree.lift(node)
    events.deleted(prevNode)
    placeDirectory(tree, node, newKey, now, events)
  } else {
    const expireTime = node.lease?.expireTime
    tree.remove(node)
    events.deleted(prevNode)
    placeFile(tree, node, expireTime, newKey, now, events)
  }
}

/** Makes the file anew at its new path, or writes over the file there. */
function placeFile(
  tree: Tree,
  file: FileNode,
  expireTime: number | undefined,
  key: string,
  now: number,
  events: RenameEvents,
): void {
  const { parent, name } = tree.makeParent(key)
  const there = parent.children.get(name)
  if (there === undefined || there.dir) {
    const made = tree.insert(parent, name, file.value, expireTime)
    events.set(represent(made, key, now), undefined)
    return
  }
  const prevNode = represent(there, key, now)
  tree.renew(there)
  there.value = file.value
  tree.setExpiry(there, expireTime)
  events.set(represent(there, key, now), prevNode)
}

/** Hangs a directory in at its new path, in place of a file if one stands there. */
function placeDirectory(
  tree: Tree,
  directory: DirectoryNode,
  key: string,
  now: number,
  events: RenameEvents,
): void {
  const { parent, name } = tree.makeParent(key)
  const there = parent.children.get(name)
  const prevNode = there === undefined ? undefined : represent(there, key, now)
  if (there !== undefined) tree.remove(there)
  tree.hang(directory, parent, name)
  tellMoved(tree, directory, key, prevNode, now, events)
}

/** Tells of a moved node and of all below it as if each had been set. */
function tellMoved(
  tree: Tree,
  node: Node,
  key: string,
  prevNode: NodeExtern | undefined,
  now: number,
  events: RenameEvents,
): void {
  tree.renew(node)
  events.set(represent(node, key, now), prevNode)
  if (!node.dir) return
  // The number belongs to the old path.
  node.crowd = 0
  for (const child of node.children.list) {
    tellMoved(tree, child, joinPath(key, child.name), undefined, now, events)
  }
}

/**
 * The nodes below a directory that have expired, not counting those below one another.
 *
 * @param path where the directory is about to be moved
 * @throws PathError if a path below would be too long or too deep there
 */
function overdueBelow(directory: DirectoryNode, path: string, now: number): Node[] {
  const overdue: Node[] = []
  for (const child of directory.children.list) {
    const childPath = joinPath(path, child.name)
    checkLength(childPath)
    checkDepth(childPath)
    if (isOverdue(child, now)) overdue.push(child)
    else if (child.dir) for (const each of overdueBelow(child, childPath, now)) overdue.push(each)
  }
  return overdue
}
