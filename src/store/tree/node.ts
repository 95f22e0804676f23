import { isHiddenName } from '../path.ts'
import type { Value } from '../value.ts'
import { Children } from './children.ts'

export type Node = FileNode | DirectoryNode

/** When a node expires; an object of its own, so that a permanent node pays nothing for it. */
export interface Lease {
  readonly node: Node
  /** Unix milliseconds. */
  expireTime: number
  /** The node's `createdIndex` when the lease was last set; breaks ties. */
  createdIndex: number
  /** The lease's position in the heap; -1 once it has been removed. */
  position: number
  /** What the node keeps of its position in the list of files, if the node is a file. */
  filePlace: number
}

/**
 * A file. A million keys are a million of these, so a node holds its name and its parent, and
 * {@link pathOf} makes its path when it is needed.
 */
export class FileNode {
  readonly name: string
  parent: DirectoryNode | null
  value: Value
  createdIndex: number
  modifiedIndex: number
  /**
   * The file's position in the list of files, or what {@link placeOfNew} makes of it; if the file has a
   * lease, the lease, which then holds that. One field serves all, because few files have a lease, and a
   * field of a million files takes 8 MB.
   */
  #place: number | Lease = 0

  constructor(name: string, parent: DirectoryNode, value: Value, index: number) {
    this.name = name
    this.parent = parent
    this.value = value
    this.createdIndex = index
    this.modifiedIndex = index
  }

  /** Absent on a permanent node. */
  get lease(): Lease | null {
    return typeof this.#place === 'number' ? null : this.#place
  }

  set lease(lease: Lease | null) {
    const place = numberOf(this.#place)
    this.#place = lease ?? place
    if (lease !== null) lease.filePlace = place
  }

  /** The file's position in the list of files. */
  get position(): number {
    const place = numberOf(this.#place)
    return place < 0 ? placeOfNew(place) : place
  }

  set position(position: number) {
    const place = this.isNew ? placeOfNew(position) : position
    if (typeof this.#place === 'number') this.#place = place
    else this.#place.filePlace = place
  }

  /** Whether `Changes` has noted it as new, and no change after the next look at the notes. */
  get isNew(): boolean {
    return numberOf(this.#place) < 0
  }

  set isNew(isNew: boolean) {
    if (this.isNew === isNew) return
    const place = placeOfNew(numberOf(this.#place))
    if (typeof this.#place === 'number') this.#place = place
    else this.#place.filePlace = place
  }

  /** Tells files from directories; a getter on the prototype takes no memory. */
  get dir(): false {
    return false
  }
}

function numberOf(place: number | Lease): number {
  return typeof place === 'number' ? place : place.filePlace
}

/** The position of a new file as a number below 0, and back. */
function placeOfNew(position: number): number {
  return -1 - position
}

/** A directory. */
export class DirectoryNode {
  /** Changes when it is moved. */
  name: string
  parent: DirectoryNode | null
  readonly children = new Children<Node>()
  /** How many files lie at all levels below. */
  files = 0
  /** How many directories lie at all levels below. Counted apart, so that a new file is counted by one walk upwards. */
  directories = 0
  /** The directory's number in the copy on disk; 0 if it has none yet. */
  id = 0
  /** The directory's number in `DroppedEvents` while it is crowded; 0 at first. */
  crowd = 0
  createdIndex: number
  modifiedIndex: number
  /** Absent on a permanent node. */
  lease: Lease | null = null

  constructor(name: string, parent: DirectoryNode | null, index: number) {
    this.name = name
    this.parent = parent
    this.createdIndex = index
    this.modifiedIndex = index
  }

  get dir(): true {
    return true
  }

  /** How many nodes lie at all levels below, the hidden and the due ones too. */
  get nodes(): number {
    return this.files + this.directories
  }
}

/** Adds a node to its directory. */
export function attach(parent: DirectoryNode, node: Node): void {
  link(parent, node)
  countFiles(parent, node.dir ? node.files : 1)
  if (node.dir) countDirectories(parent, 1 + node.directories)
}

/** Like {@link attach}, but counts nothing, and so comes to an end where a directory lies below itself. */
export function link(parent: DirectoryNode, node: Node): void {
  parent.children.add(node)
  node.parent = parent
}

/** Takes a node with all below it out of its directory. */
export function detach(node: Node): void {
  const parent = node.parent
  if (parent === null) return
  parent.children.remove(node)
  node.parent = null
  countFiles(parent, node.dir ? -node.files : -1)
  if (node.dir) countDirectories(parent, -1 - node.directories)
}

function countFiles(directory: DirectoryNode, count: number): void {
  if (count === 0) return
  for (let at: DirectoryNode | null = directory; at !== null; at = at.parent) at.files += count
}

/** Counts directories that have been put below one, or taken out. */
export function countDirectories(directory: DirectoryNode, count: number): void {
  for (let at: DirectoryNode | null = directory; at !== null; at = at.parent) {
    at.directories += count
  }
}

/** So many levels below the root a path is put together in one piece. */
const DEEP = 16

/** The node's absolute path. */
export function pathOf(node: Node): string {
  if (node.parent === null) return `/${node.name}`
  let path = node.name
  let levels = 1
  for (let at = node.parent; at.parent !== null; at = at.parent) {
    if (++levels > DEEP) return deepPathOf(node)
    path = `${at.name}/${path}`
  }
  return `/${path}`
}

/** V8 would keep each joint of a path that has been put together level by level, until someone reads a character. */
function deepPathOf(node: Node): string {
  const names: string[] = []
  for (let at = node; at.parent !== null; at = at.parent) names.push(at.name)
  names.push('')
  return names.reverse().join('/')
}

/**
 * All nodes below a directory, each before the nodes below it. The tree may change meanwhile: a node
 * that stays is visited, but perhaps twice if a node in the same directory is removed.
 */
export function* nodesBelow(directory: DirectoryNode): Generator<Node, undefined> {
  const open: Iterator<Node, undefined>[] = [directory.children.values()]
  for (let at = open.at(-1); at !== undefined; at = open.at(-1)) {
    const { value: node } = at.next()
    if (node === undefined) {
      open.pop()
      continue
    }
    yield node
    if (node.dir) open.push(node.children.values())
  }
}

/** The first node, from a node upwards, that has expired or is in no directory. @param now Unix milliseconds */
export function topOf(node: Node, now: number): Node {
  let at: Node = node
  while (at.parent !== null && !isOverdue(at, now)) at = at.parent
  return at
}

/** The node at a tidy path, whether or not it has expired. */
export function nodeAt(root: DirectoryNode, tidy: string): Node | undefined {
  let node: Node | undefined = root
  for (const name of tidy.split('/')) {
    if (name !== '') node = node?.dir ? node.children.get(name) : undefined
  }
  return node
}

/** The bytes of a node's name and value. */
export function bytesOf(node: Node): number {
  return node.name.length + (node.dir ? 0 : node.value.length)
}

/** Whether listings leave the node out, because its name begins with `_`. */
export function isHidden(node: Node): boolean {
  return isHiddenName(node.name)
}

/** Whether a node has expired. @param now Unix milliseconds */
export function isOverdue(node: Node, now: number): boolean {
  return node.lease !== null && node.lease.expireTime <= now
}

/**
 * Copies a directory and all below it, but not their leases.
 *
 * @param copyLease called with the copy of each node that has a lease, and its expiry time
 */
export function cloneTree(
  node: DirectoryNode,
  parent: DirectoryNode | null,
  copyLease: (copy: Node, expireTime: number) => void,
): DirectoryNode {
  const copy = new DirectoryNode(node.name, parent, node.createdIndex)
  copy.modifiedIndex = node.modifiedIndex
  copy.files = node.files
  copy.directories = node.directories
  if (node.lease !== null) copyLease(copy, node.lease.expireTime)
  for (const child of node.children.list) {
    if (child.dir) {
      copy.children.add(cloneTree(child, copy, copyLease))
      continue
    }
    const file = new FileNode(child.name, copy, child.value, child.createdIndex)
    file.modifiedIndex = child.modifiedIndex
    copy.children.add(file)
    if (child.lease !== null) copyLease(file, child.lease.expireTime)
  }
  return copy
}
