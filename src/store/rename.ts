import { ExpectedError } from '../text/expected-error.ts'
import { PathError, StoreError } from './errors.ts'
import { type NodeExtern, represent } from './event.ts'
import {
  absolute,
  checkDepth,
  depthOf,
  isBelow,
  joinPath,
  longBytes,
  MAX_PATH_DEPTH,
  MAX_PATH_LENGTH,
  tooDeep,
  tooLong,
} from './path.ts'
import { inLeaseOrder } from './tree/lease-order.ts'
import { type DirectoryNode, type FileNode, isOverdue, type Node } from './tree/node.ts'
import type { Tree } from './tree/tree.ts'

/**
 * How many bytes the long paths of the nodes that are moved may have together. Each moved node has an event
 * with its path, so a name of 15 KB would take some forty times as long as a short one.
 */
const MAX_LONG_BYTES = 256 * 1024 * 1024
/** So many bytes of a path take as long as a node with a short path. */
const BYTES_PER_NODE = 32

/** What the events of moved nodes cost those who listen, in comparisons of a key with a pattern. */
export interface EventWork {
  /** How much longer the path entered last is than that of the node that is moved. */
  readonly bytesBelow: number
  /** What an event costs at most at a path so many bytes longer than that of the node. */
  mostBelow(bytes: number): number
  /** Goes down to a child. @returns what an event there costs at most */
  enter(name: string): number
  /** Goes back to the directory. */
  leave(): void
}

/** What a rename has done, whether or not it was refused. */
export class MoveWork {
  /** The nodes that were looked at; one with a long path counts as several. */
  nodes = 0
  /** What their events cost those who listen. */
  tries = 0
  readonly #mostTries: number
  readonly #events: EventWork | undefined
  readonly #findAtOld: () => EventWork | undefined
  #atOld: EventWork | undefined

  /**
   * @param mostTries a rename that costs more is refused
   * @param events at the new path; absent if nobody listens
   * @param findAtOld finds the same of events at the old path; called once a node has expired
   */
  constructor(
    mostTries = Number.POSITIVE_INFINITY,
    events?: EventWork,
    findAtOld: () => EventWork | undefined = () => undefined,
  ) {
    this.#mostTries = mostTries
    this.#events = events
    this.#findAtOld = findAtOld
  }

  /** Goes down to a child. @param expires whether its event is an expiry @throws TooManyNodesError */
  enter(name: string, expires: boolean): void {
    this.nodes++
    const events = this.#events
    if (events === undefined) return
    this.tries += events.enter(name)
    if (expires) {
      this.#atOld ??= this.#findAtOld()
      this.tries += this.#atOld?.mostBelow(events.bytesBelow) ?? 0
    }
    if (this.tries > this.#mostTries) throw new TooManyNodesError('too many nodes')
  }

  /** Goes back to the directory. */
  leave(): void {
    this.#events?.leave()
  }
}

/** Thrown by a rename that would cost those who listen too much. */
export class TooManyNodesError extends ExpectedError {}

/** Records the events of a rename; each call raises the index by one. */
export interface RenameEvents {
  /** Removes an expired node. */
  expire(node: Node, now: number): void
  /** Called when a node has been taken out of the tree. */
  deleted(prevNode: NodeExtern): void
  /** Called when a node is at its new path. @param nodes how many below it follow, if it is the one that is moved */
  set(node: NodeExtern, prevNode: NodeExtern | undefined, nodes: number): void
}

/** A rename that nothing stands against. */
interface Move {
  readonly node: Node
  readonly oldKey: string
  readonly newKey: string
  /** An expired node on the way to the new path. */
  readonly inTheWay: Node | undefined
  /** The expired nodes below the node, without those below them. */
  readonly overdue: readonly Node[]
}

/**
 * The nodes that a rename would expire first, in order. Changes nothing.
 *
 * @returns yields a node, or undefined after a step that has not come to one; nothing if the rename would be refused
 */
export function* dueBeforeRename(
  tree: Tree,
  from: string,
  to: string,
  now: number,
): Generator<Node | undefined, undefined> {
  let move: Move | undefined
  try {
    move = plan(tree, from, to, now, new MoveWork())
  } catch {
    // The rename itself tells why it is refused.
  }
  if (move !== undefined) yield* dueBefore(move)
}

function* dueBefore({ inTheWay, overdue }: Move): Generator<Node | undefined, undefined> {
  if (inTheWay !== undefined) yield inTheWay
  yield* inLeaseOrder(overdue)
}

/** @returns undefined if both paths are the same @throws what {@link rename} throws */
function plan(tree: Tree, from: string, to: string, now: number, work: MoveWork): Move | undefined {
  const oldKey = absolute(tree.writable(from))
  const newKey = absolute(tree.writable(to))
  const node = tree.find(oldKey, now)
  if (newKey === oldKey) return
  if (node.dir && isBelow(newKey, oldKey)) {
    throw new PathError('a directory cannot be moved below itself')
  }
  checkDepth(newKey)
  if (tree.walk(newKey, now)?.dir) throw new StoreError(102, newKey, tree.index)
  const overdue: Node[] = []
  if (node.dir) new Survey(newKey, now, overdue, work).look(node)
  return { node, oldKey, newKey, inTheWay: tree.overdueOn(newKey, now), overdue }
}

/**
 * Moves a node, and all nodes below it: `Store.rename` has the details.
 *
 * @throws StoreError, PathError and TooManyNodesError, as `Store.rename` does; then nothing has changed
 */
export function rename(
  tree: Tree,
  from: string,
  to: string,
  now: number,
  events: RenameEvents,
  work: MoveWork,
): void {
  const move = plan(tree, from, to, now, work)
  if (move === undefined) return
  // From here on nothing can fail.
  for (const each of dueBefore(move)) if (each !== undefined) events.expire(each, now)
  const { node, oldKey, newKey } = move
  const prevNode = represent(node, oldKey, now)
  if (node.dir) {
    const leases = tree.lift(node)
    events.deleted(prevNode)
    placeDirectory(tree, node, leases, newKey, now, events)
  } else {
    const expireTime = node.lease?.expireTime
    tree.remove(node)
    events.deleted(prevNode)
    placeFile(tree, node, expireTime, newKey, now, events)
  }
}

/** Makes the file at its new path, or writes over the file there. */
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
    events.set(represent(made, key, now), undefined, 0)
    return
  }
  const prevNode = represent(there, key, now)
  tree.renew(there)
  tree.setValue(there, file.value)
  tree.setExpiry(there, expireTime)
  events.set(represent(there, key, now), prevNode, 0)
}

/** Hangs a directory at its new path, where it may replace a file. */
function placeDirectory(
  tree: Tree,
  directory: DirectoryNode,
  leases: ReadonlyMap<Node, number>,
  key: string,
  now: number,
  events: RenameEvents,
): void {
  const { parent, name } = tree.makeParent(key)
  const there = parent.children.get(name)
  const prevNode = there === undefined ? undefined : represent(there, key, now)
  if (there !== undefined) tree.remove(there)
  tree.hang(directory, parent, name)
  const { nodes } = directory
  recordMoved(tree, directory, leases, key, prevNode, nodes, now, events)
}

/**
 * Records a moved node, and all below it, as if each had been set: siblings in the order of their
 * names, because each takes an index.
 */
function recordMoved(
  tree: Tree,
  node: Node,
  leases: ReadonlyMap<Node, number>,
  key: string,
  prevNode: NodeExtern | undefined,
  nodes: number,
  now: number,
  events: RenameEvents,
): void {
  tree.renew(node)
  tree.setExpiry(node, leases.get(node))
  events.set(represent(node, key, now), prevNode, nodes)
  if (!node.dir) return
  // A crowd's number belongs to the old path.
  node.crowd = 0
  for (const child of [...node.children.list].sort(byName)) {
    recordMoved(tree, child, leases, joinPath(key, child.name), undefined, 0, now, events)
  }
}

function byName(a: Node, b: Node): number {
  return a.name < b.name ? -1 : 1
}

/** Looks at all nodes of a directory that is about to be moved. Adds up lengths, and makes no paths. */
class Survey {
  readonly #now: number
  readonly #overdue: Node[]
  readonly #work: MoveWork
  /** Of the path that the directory being looked at will have. */
  #length: number
  #depth: number
  #longBytes: number

  /**
   * @param path where the directory will be
   * @param overdue gets the expired nodes below, without the nodes below them
   */
  constructor(path: string, now: number, overdue: Node[], work: MoveWork) {
    this.#now = now
    this.#overdue = overdue
    this.#work = work
    this.#length = path.length
    this.#depth = depthOf(path)
    this.#longBytes = longBytes(path.length)
  }

  /** @throws PathError if a path below would be too long or too deep, or all of them too long together */
  look(directory: DirectoryNode): void {
    for (const child of directory.children.list) {
      const { length } = child.name
      const expires = isOverdue(child, this.#now)
      this.#length += 1 + length
      this.#depth++
      this.#work.enter(child.name, expires)
      if (this.#length > MAX_PATH_LENGTH) throw tooLong(this.#length)
      if (this.#depth > MAX_PATH_DEPTH) throw tooDeep(this.#depth)
      if (expires) this.#overdue.push(child)
      else {
        this.#count()
        if (child.dir) this.look(child)
      }
      this.#work.leave()
      this.#length -= 1 + length
      this.#depth--
    }
  }

  #count(): void {
    this.#longBytes += longBytes(this.#length)
    this.#work.nodes += Math.floor(this.#length / BYTES_PER_NODE)
    if (this.#longBytes <= MAX_LONG_BYTES) return
    throw new PathError(
      `the new paths of all nodes are too long (more than ${MAX_LONG_BYTES} bytes together)`,
    )
  }
}
